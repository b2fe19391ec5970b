"""Floor 5: who gets which arm."""
