"""Floor 4: what a training and its serving will take on a host, before either runs."""
