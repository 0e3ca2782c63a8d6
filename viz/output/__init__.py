"""From a picture to its files: the layout, DOT, SVG, Mermaid, JSON."""
