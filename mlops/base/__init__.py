"""Floor 1: errors, verdicts, clocks, digests, the file store and the names of all metrics."""
