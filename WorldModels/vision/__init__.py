"""V: networks that turn an observation into a latent z and back."""
