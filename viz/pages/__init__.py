"""The HTML page: its states of folding, the facts in each state, and the file."""
