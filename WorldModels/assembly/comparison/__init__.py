"""The parts of the verb compare: its contestants, their measurements, and the table."""
