"""Search over the tracks and artists of a release by name."""
