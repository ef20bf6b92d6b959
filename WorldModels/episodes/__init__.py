"""Data as it lies on disk: episodes of frames, series of latents, and streams of batches out of
them. Knows no network.
"""
