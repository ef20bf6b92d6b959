"""What the verbs pictures and report and the notebooks show of a run."""
