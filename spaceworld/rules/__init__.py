"""The rules of the world: packed states, one step, random layouts, snapshots."""
