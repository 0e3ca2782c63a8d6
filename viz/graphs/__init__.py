"""Graphs: which parts of a graph are drawn, and the views that draw them."""
