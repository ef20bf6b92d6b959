"""A person plays: what the keys do, and the window that shows the world."""
