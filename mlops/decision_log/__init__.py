"""Floor 5: every decision, written down durably outside the answer's path."""
