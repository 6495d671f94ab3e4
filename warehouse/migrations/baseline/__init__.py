"""The tables that the first migration makes, one module per subject; each has a `create` that the migration calls."""
