"""How much of a network's description is read."""

MOST_LAYERS = 10_000
"""With so many, a command takes half a GiB at most, but a report's page, which has every setting in it."""
LONGEST_NAME = 60
