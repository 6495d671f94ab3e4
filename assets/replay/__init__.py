"""Time travel: the lists of a past date made again, compared with those made then."""
