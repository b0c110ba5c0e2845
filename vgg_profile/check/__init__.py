"""The meeting place of prediction and measurement."""
