"""Bridges that bring deferred credits into other libraries' learners; each is imported on its own."""
