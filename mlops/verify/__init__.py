"""Floor 4: what becomes of a contract's columns in a pipeline, before it sees any data."""
