"""The trained weights that an iteration's networks start from (paper section 5)."""

from pathlib import Path

import keras

from WorldModels.experiment.run import Run

# Steps over which the learning rate rises where a new Adam continues from trained weights: its
# first full steps would throw them far off (V's squared error a frame, 16 before, was 384 after
# one step at a rate of 1e-3).
WARMUP_STEPS = 60


def weights_before(run: Run, name: str, made_by: str) -> Path | None:
    """The file of the network that this iteration's starts from; None where it starts afresh.

    Raises:
        FileNotFoundError: it is missing; the message has the command that makes it.
    """
    continues = run.iteration > 0 and run.experiment.iterate.networks == "previous"
    return run.before(name, made_by) if continues else None


def take_weights(network: keras.Model, file: Path) -> None:
    """Give a built network the trained weights of another one of the same sizes.

    Args:
        network: a keras.Model.
        file: .keras, of a class that Keras knows.

    Raises:
        ValueError: the file is damaged, or the sizes differ.
    """
    try:
        source = keras.models.load_model(file, compile=False)
    except Exception as error:
        raise ValueError(
            f"{file}: expected a network (.keras), received a file that cannot be read as one: "
            f"{error}."
        ) from None
    own, taken = network.trainable_variables, source.trainable_variables
    if [tuple(v.shape) for v in own] != [tuple(v.shape) for v in taken]:
        raise ValueError(
            f"{file}: expected a network of the sizes that the settings ask for, received one of "
            "other sizes; keep the sizes from iteration to iteration, or give --iterate.networks "
            "afresh --iterate.controller anew."
        )
    for variable, value in zip(own, taken, strict=True):
        variable.assign(value)


def warmup_steps(steps: int) -> int:
    """Steps of warm-up for trained weights: WARMUP_STEPS, but at most half of the training."""
    return min(WARMUP_STEPS, steps // 2)


def num_parameters(network: keras.Model) -> int:
    """How many numbers training changes."""
    return sum(int(keras.ops.size(variable)) for variable in network.trainable_variables)
