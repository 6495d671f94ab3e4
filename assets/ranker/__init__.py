"""The rankers: labelled folds, features, LightGBM training and scoring, and the evaluation protocol."""
