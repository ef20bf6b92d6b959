"""Settings, presets, and the folder of a run."""
