"""Floor 4: what can be proved about a compiled model without running the job."""
