"""Hostile inputs by the ten thousand, from fixed seeds."""
