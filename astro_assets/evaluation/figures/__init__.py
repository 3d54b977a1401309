"""Figures as inline SVG for pages or as PNG; what they share is in ``style``."""
