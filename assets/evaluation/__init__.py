"""How good recommended lists were, beside the baselines and beside the lists of other systems."""
