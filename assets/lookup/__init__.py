"""The search index of a release: its tracks and artists by name."""
