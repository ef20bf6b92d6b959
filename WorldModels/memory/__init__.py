"""M: networks that predict the next latent, their densities, and batches to train them on."""
