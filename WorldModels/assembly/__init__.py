"""What combines several nouns: worlds, evolutions, tests, comparisons and pages."""
