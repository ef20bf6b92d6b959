"""The parts of the verb report: what the page holds of V, M, C and the test, what a run was made with, and the page itself."""
