"""The test of a driver: who plays, what is measured, what is shown of it."""
