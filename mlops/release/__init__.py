"""Floor 7: gates over verdicts, and the reports that carry them."""
