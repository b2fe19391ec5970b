"""Floor 2: a compiler from OpenSLO to Prometheus rules, alerts and their proofs."""
