"""Features as of a date: which dates have them, how they are read, and how they are joined to candidates."""
