"""From a picture to a file: layout, DOT, SVG, Mermaid, JSON."""
