"""The embedded PostgreSQL and Redis of a home."""
