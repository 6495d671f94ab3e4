"""The search for training parameters of the rankers: what may be tried, how it is measured, what is chosen."""
