"""Combines V, M and C: worlds, evolutions, tests, comparisons and pages."""
