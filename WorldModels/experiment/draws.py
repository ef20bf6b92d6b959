"""Random generators, keyed by the purpose of their draws."""

import zlib

import numpy as np


def rng(seed: int, stage: str, purpose: str, *indices: int) -> np.random.Generator:
    """The random generator for one purpose.

    Equal arguments give equal draws, whatever was drawn before or elsewhere.
    """
    words = zlib.crc32(stage.encode()), zlib.crc32(purpose.encode())
    return np.random.default_rng(np.random.SeedSequence([seed, *words, *indices]))
