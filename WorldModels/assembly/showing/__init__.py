"""Shows a run: for the verbs pictures and report, and for the notebooks."""
