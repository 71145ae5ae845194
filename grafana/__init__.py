"""Dashboards as code: what Grafana shows, made from the statements of sql/queries/grafana and written as JSON."""
