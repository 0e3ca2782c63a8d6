"""Numeric derivatives with error bars, and what they say about given ones."""
