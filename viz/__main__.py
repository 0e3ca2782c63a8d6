"""`python -m viz FILE.py:name -o graph.svg` is `autograd-mini draw` by another name."""

from __future__ import annotations

import sys

from autograd_mini.cli.command import main

if __name__ == "__main__":
    sys.exit(main(["draw", *sys.argv[1:]]))
