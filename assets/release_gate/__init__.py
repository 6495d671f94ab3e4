"""Judges the lists of a date slate by slate, before any of them goes live."""
