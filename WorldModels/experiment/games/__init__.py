"""The games: a file each, with the game's facts, its own settings and its presets by scale."""
