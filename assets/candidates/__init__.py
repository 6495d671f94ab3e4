"""Candidate sources: what might be recommended, learnt only from listens before `as_of`."""
