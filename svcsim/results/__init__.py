"""Results of runs as tables."""
