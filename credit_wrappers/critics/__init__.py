"""Critics: everything that assigns credit."""
