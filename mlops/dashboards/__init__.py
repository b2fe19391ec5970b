"""Floor 3: Grafana dashboards and the local monitoring stack, rendered from definitions."""
