"""Questions to a step: what fits, what a grid takes, how networks compare."""
