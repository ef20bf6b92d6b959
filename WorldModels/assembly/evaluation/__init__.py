"""The test of a driver: the episodes it plays, what is measured, and how it is shown."""
