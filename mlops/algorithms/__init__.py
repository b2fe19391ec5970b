"""Floor 4: whether an algorithm keeps what it promises, tried on small drawn examples."""
