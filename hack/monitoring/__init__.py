"""Grafana dashboards, built with the foundation SDK, and the rules in Prometheus's own form."""
