"""One file per revision; the number in front is the revision id."""
