"""The parts of the verb compare: its contestants, what is measured of each, and the table."""
