"""Graphs: what of them is drawn, and the views that draw it."""
