"""What this machine's processor can do. Knows nothing of networks."""

from pathlib import Path


def cpu_has_bfloat16(cpuinfo: str = "/proc/cpuinfo") -> bool:
    """Whether the processor multiplies bfloat16 matrices by itself (AVX512_BF16); False where the
    system does not say.

    With it, training in mixed_bfloat16 is up to three times as fast as in float32; without it, half
    as fast.
    """
    try:
        lines = Path(cpuinfo).read_text().splitlines()
    except OSError:
        return False
    return any(line.startswith("flags") and "avx512_bf16" in line.split() for line in lines)
