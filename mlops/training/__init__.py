"""Floor 5: a recorded training run, from snapshot to bundle."""
