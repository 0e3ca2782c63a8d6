"""The results of a check, entry by entry, and how they are shown."""
