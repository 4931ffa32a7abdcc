"""Values and seams that every room may import."""
