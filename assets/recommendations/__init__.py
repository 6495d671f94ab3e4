"""The lists of every user: scored by the champions, with their reasons, and kept in ml.recommendations."""
