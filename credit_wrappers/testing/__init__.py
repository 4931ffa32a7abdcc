"""Tools for tests and examples: a loopback server that speaks the Messages API, and a tiny environment."""
