"""From episodes to text, for environments that bring no narrator of their own."""
