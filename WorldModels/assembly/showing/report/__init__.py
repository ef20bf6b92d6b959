"""The parts of the verb report: what the page holds of V, M, C and the test, and the page itself."""
