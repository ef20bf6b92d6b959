"""CarRacing-v3, drawn several times faster."""
