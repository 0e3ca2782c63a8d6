"""The command line: `autograd-mini check`, `search` and `draw`."""
