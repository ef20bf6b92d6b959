"""What pictures, notebooks and the report take from a run, and how they show it."""
