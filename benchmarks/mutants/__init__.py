"""Mutants: how many wrong gradients a checker catches, and how many right ones it refuses.

Every differentiable row of the table becomes a NumPy function with a right, hand-written gradient.
Mutations make it wrong in known ways; the checkers, ours and those of the peers, get both.
"""
