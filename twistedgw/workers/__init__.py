"""Several processes: the parent that listens, and the workers that serve."""
