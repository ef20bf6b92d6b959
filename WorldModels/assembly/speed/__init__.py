"""Measures speeds in separate processes for benchmark, estimate and compare."""
