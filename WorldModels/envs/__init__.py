"""Worlds: games that emit the frame V sees, and the latent and dreamt worlds built on them. Knows
nothing of Keras.
"""
