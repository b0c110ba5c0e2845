"""How much of a network's description is read."""

MOST_LAYERS = 100_000
LONGEST_NAME = 60
