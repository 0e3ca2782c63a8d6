"""Layers and models that people write by hand in NumPy, with their gradients, right and wrong.

Each module has the cases of one topic in its list `CASES`. No layer uses this library: what is
measured is how a checker judges code that it has never seen.
"""
