"""Compositions: a router, a gate and a strategy, run as one pipeline."""
