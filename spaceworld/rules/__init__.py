"""How the world moves: states in, states out."""
