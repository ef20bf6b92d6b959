"""The trained weights that an iteration's networks start from (paper section 5)."""

from math import prod
from pathlib import Path
from typing import Any

from WorldModels.experiment.damage import again
from WorldModels.experiment.run import Run

# Steps over which the learning rate rises when a new Adam continues from trained weights. Its
# first steps at the full rate would throw them far off: one step at 1e-3 raised V's squared error
# per frame from 16 to 384.
WARMUP_STEPS = 60
MEASURED = ("center", "scale")  # what a V of vectors measured before its weights were trained


def weights_before(run: Run, name: str, made_by: str) -> Path | None:
    """The file of the network whose weights this iteration continues from; None: it starts afresh.

    Raises:
        FileNotFoundError: it is missing; the message gives the command that makes it.
    """
    continues = run.iteration > 0 and run.experiment.iterate.networks == "previous"
    return run.before(name, made_by) if continues else None


def take_weights(network: Any, file: Path) -> None:
    """Copy into a built network the trained weights of another network of the same sizes.

    Args:
        network: a keras.Model.
        file: a .keras file whose class is registered with Keras.

    Raises:
        ValueError: the file is damaged, or the sizes differ.
    """
    import keras

    try:
        source = keras.models.load_model(file, compile=False, safe_mode=True)
    except Exception as error:
        raise ValueError(
            f"{file}: expected a network (.keras), received a file that cannot be read as one "
            f"({error}); make it again: {again(file)}"
        ) from None
    own, taken = network.trainable_variables, source.trainable_variables
    if [tuple(v.shape) for v in own] != [tuple(v.shape) for v in taken]:
        raise ValueError(
            f"{file}: expected a network of the sizes in the settings, received one of other "
            "sizes; keep the sizes from iteration to iteration, or give --iterate.networks "
            "afresh --iterate.controller anew."
        )
    for variable, value in zip(own, taken, strict=True):
        variable.assign(value)
    for name in MEASURED:
        if hasattr(network, name):
            getattr(network, name).assign(getattr(source, name))


def as_asked(network: Any, weights: str) -> Any:
    """The network, its weights rounded to numbers that float16 has if the setting is "float16".

    Half as many bytes then hold it exactly, and whatever is evolved on it fits what is sent.

    Args:
        network: a keras.Model in float32, which is changed.
        weights: the setting: float32 or float16.
    """
    from keras import ops

    for variable in network.variables if weights == "float16" else ():
        if variable.dtype == "float32":
            variable.assign(ops.convert_to_numpy(variable).astype("float16").astype("float32"))
    return network


def warmup_steps(steps: int) -> int:
    """Steps of warm-up for trained weights: WARMUP_STEPS, but at most half of the training."""
    return min(WARMUP_STEPS, steps // 2)


def num_parameters(network: Any) -> int:
    """The number of trainable parameters."""
    return sum(prod(variable.shape) for variable in network.trainable_variables)
