"""The parts of the verb compare: its contestants, a run of each beside the run, what is measured,
and the table.
"""
