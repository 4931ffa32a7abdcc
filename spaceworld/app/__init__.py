"""What `python -m spaceworld` does: playing, watching, recording, listing."""
