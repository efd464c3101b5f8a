"""Benchmarks: counts and ratios on generated data; `python -m bench` runs them all."""
