"""Benchmarks: `python -m bench` runs those of speed; load, endurance and sharing are commands of their own."""
