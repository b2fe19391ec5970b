"""Floor 4: what is proved about a compiled model, for every row that its contract allows."""
