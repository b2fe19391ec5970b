"""An SRE-oriented ML operations toolkit: a contract, an SLO and a heuristic behind every model."""
