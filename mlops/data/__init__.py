"""Floor 3: where rows come from: sources, snapshots, splits, and the two services' data."""
