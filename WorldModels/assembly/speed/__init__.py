"""What benchmark, estimate and compare measure, in processes of their own, and what it means."""
