"""Budgets: what is left of each error budget, as Prometheus has it, and what that allows."""
