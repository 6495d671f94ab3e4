"""Releases: from ranked lists to Redis."""
