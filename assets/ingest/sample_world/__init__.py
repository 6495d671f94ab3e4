"""A seeded world of invented listeners and music, written as files in Last.fm-1K layout."""

from assets.ingest.sample_world.config import SampleWorld, SampleWorldError
from assets.ingest.sample_world.files import LISTENS_FILE, PLANTED_FILE, PROFILE_FILE, generate

__all__ = ["LISTENS_FILE", "PLANTED_FILE", "PROFILE_FILE", "SampleWorld", "SampleWorldError", "generate"]
