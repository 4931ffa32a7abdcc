"""States and events as words and plain values: scenes, narration, tasks."""
