"""Data on disk: episodes of frames, series of latents, and the batches made from them."""
