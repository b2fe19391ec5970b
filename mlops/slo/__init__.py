"""Floor 2: a compiler from OpenSLO to Prometheus rules, and the reader of budgets."""
