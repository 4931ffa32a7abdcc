"""The words of the critic's questions."""
