"""M, the memory: networks that predict the next latent, their densities, and batches of series to
train them on.
"""
