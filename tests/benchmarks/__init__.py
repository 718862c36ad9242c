"""Timed runs, never part of the unit tests: `python -m tests.benchmarks [--json]`."""
