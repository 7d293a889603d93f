"""The legacy extension of the story, its build and its data."""
