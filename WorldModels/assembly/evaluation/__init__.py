"""The test of a driver: who plays, what is measured, and what is shown of it."""
