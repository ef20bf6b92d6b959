"""Playing by hand: what the keys do, and the window that shows the world."""
