"""What a check found, entry by entry, and how it is shown."""
