"""The rankers: labelled folds, training, the registry of models, promotion and scoring."""
