"""Draws Grafana's panels with matplotlib: the same statements, titles, units, colours and places, on a dark ground."""
