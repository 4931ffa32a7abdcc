"""What robots observe, as vectors and as images."""
