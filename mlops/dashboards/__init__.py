"""Dashboards: Grafana dashboards and the local monitoring stack, rendered from definitions."""
