"""Worlds: games that emit the frames V sees, and the latent and dreamt worlds built on them."""
