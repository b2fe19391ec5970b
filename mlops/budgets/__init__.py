"""Floor 3: what is left of each error budget, as Prometheus has it, and what that allows."""
