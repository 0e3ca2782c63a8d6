"""The difference of two graphs: which operations match, one graph of both, and its picture."""
