"""A person in a world: what the keys do, and a window that shows it."""
