"""The evaluation protocol and its figures, over plain arrays and frames: knows no other room."""
