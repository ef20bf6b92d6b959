"""Which generations' means stay in generations/: every one, above 50 MB every second, and so on."""

from pathlib import Path

MOST_BYTES = 50_000_000
FILE_BYTES = 3_800  # of a driver's file beside its parameters, 8 bytes each


def stride(generation: int, num_parameters: int) -> int:
    """n: of the first `generation` means every n-th is kept, a power of two.

    It depends on nothing else, so a search that was killed keeps what an unbroken one keeps.
    """
    n, size = 1, FILE_BYTES + 8 * num_parameters
    while generation // n * size > MOST_BYTES:
        n *= 2
    return n


def thin(folder: Path, n: int) -> None:
    """Remove the means K.npz whose K is no multiple of n."""
    for file in folder.glob("*.npz"):
        if file.stem.isdigit() and int(file.stem) % n:
            file.unlink()
