"""Figures of many tools, each a figure of ours and named terms. Begin with ``rules.py``."""
