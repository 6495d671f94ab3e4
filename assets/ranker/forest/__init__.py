"""A LightGBM model as flat arrays, scored and explained by compiled loops."""
