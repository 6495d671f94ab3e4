"""What has moved since a date before: features, training set, rankers, evaluations and lists."""
