"""Similar tracks and similar artists: their lists in the warehouse, and how well they are found."""
