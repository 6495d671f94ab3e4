"""How far back the warehouse goes."""

from datetime import date

# A listen that is said to be older is a clock that was never set, or a time that was misread. No partition is older.
EARLIEST_DAY = date(2000, 1, 1)
