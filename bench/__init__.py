"""Benchmarks against peers, never timed tests: `python -m bench --help`."""
