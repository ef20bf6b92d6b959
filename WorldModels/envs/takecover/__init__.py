"""Doom's Take Cover, by ViZDoom."""
