"""A read API under load while everything around it fails, and what its clients see of that."""
