"""Alerts to people: what to send where, how often, and until it has arrived."""
