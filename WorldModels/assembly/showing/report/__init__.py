"""The parts of the verb report: what it shows of V, M, C and the test, and its page."""
