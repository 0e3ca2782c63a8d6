"""The HTML page: its states of folding, what is known in each, and the file."""
