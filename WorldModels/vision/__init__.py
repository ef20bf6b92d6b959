"""V: networks that turn an observation into a latent z and back. Knows no environment, no episode
and no settings.
"""
