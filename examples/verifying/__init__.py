"""What `verify_cuda.py` asks, and of what."""
