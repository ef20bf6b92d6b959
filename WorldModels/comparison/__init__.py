"""The parts of the verb compare: which kinds there are, a run of each beside the run, what is measured, and the table."""
