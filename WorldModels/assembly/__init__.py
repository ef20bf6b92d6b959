"""What is put together from several nouns: worlds, evolutions, tests, comparisons, pages."""
