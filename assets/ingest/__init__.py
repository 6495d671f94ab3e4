"""Listening files: made up, parsed and loaded into the raw tables."""
