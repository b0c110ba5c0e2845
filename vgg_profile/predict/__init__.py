"""What is worked out before anything runs."""
