"""What iteration k takes from iteration k - 1 (paper section 5): its driver, its episodes, its
weights, the mean of its search.

The settings are experiment/settings.py's IterateSettings. At iteration 0 there is no past: nothing
is taken. Knows which file
lies where; how a network is trained or a driver evolved it does not know.
"""

from pathlib import Path

import numpy as np

from WorldModels.experiment.files import hash_files
from WorldModels.experiment.run import Run

# Steps over which the learning rate rises where a new Adam goes on with trained weights: its first
# full steps would throw
# them far off (V's squared error a frame, 16 before, was 384 after one step at a rate of 1e-3).
WARMUP_STEPS = 60


def drivers(run: Run) -> dict[str, float]:
    """Who records, as shares of the episodes: --record.policies, and from iteration 1 on the driver
    before.

    A mixture that names the controller itself counts as it is, else the driver has
    --iterate.controller-share.

    Raises:
        ValueError: --record.policies is no mixture of known policies.
    """
    from WorldModels.control.policies import parse_mixture

    stated, share = (
        parse_mixture(run.experiment.record.policies),
        run.experiment.iterate.controller_share,
    )
    if run.iteration == 0 or "controller" in stated:
        return stated
    mixture = {"controller": share} | {name: (1 - share) * own for name, own in stated.items()}
    return {name: own for name, own in mixture.items() if own > 0}


def driver_before(run: Run) -> Path:
    """The file of the driver of the iteration before; at iteration 0, where there is none before,
    of the driver there.

    Raises:
        FileNotFoundError: it is not there; the message has the command that evolves it.
    """
    from WorldModels.assembly.worlds import controller_file

    return controller_file(run, max(run.iteration - 1, 0))


def hashes(run: Run, *files: Path) -> dict[str, str]:
    """What a stage notes of files of other iterations that it is made from: path in the run's
    folder, and hash.
    """
    return {str(file.relative_to(run.folder)): hash_files([file]) for file in files}


def named_episodes(folders: list[Path]) -> dict[str, Path]:
    """The episodes in the folders of some iterations by names of their own: the last iteration's
    keep theirs, 000003.npz of
    iteration 0 is called 0-000003.npz.

    Args:
        folders: see Run.need_episodes.
    """
    from WorldModels.episodes.episode import list_episodes

    earlier = {
        f"{folder.parent.name}-{path.name}": path
        for folder in folders[:-1]
        for path in list_episodes(folder)
    }
    return earlier | {path.name: path for path in list_episodes(folders[-1])}


def iteration_of(name: str, last: int) -> int:
    """Which iteration recorded the episode of a name that `named_episodes` gave."""
    before, dash, _ = name.partition("-")
    return int(before) if dash and before.isdigit() else last


def weights_before(run: Run, name: str, made_by: str) -> Path | None:
    """The file of the network whose weights this iteration's begins with; None where it begins
    afresh.

    Raises:
        FileNotFoundError: it is not there; the message has the command that makes it.
    """
    goes_on = run.iteration > 0 and run.experiment.iterate.networks == "previous"
    return run.before(name, made_by) if goes_on else None


def take_weights(network, file: Path) -> None:
    """Give a built network the trained weights of another, of the same sizes.

    Args:
        network: a keras.Model.
        file: .keras, of a class that Keras knows.

    Raises:
        ValueError: the file is damaged, or the sizes are others.
    """
    import keras

    try:
        source = keras.models.load_model(file, compile=False)
    except Exception as error:
        raise ValueError(
            f"{file}: expected a network (.keras), received a file that cannot be read as one: {error}."
        ) from None
    own, taken = network.trainable_variables, source.trainable_variables
    if [tuple(v.shape) for v in own] != [tuple(v.shape) for v in taken]:
        raise ValueError(
            f"{file}: expected a network of the sizes that the settings ask for, received one of other sizes; keep them from iteration "
            "to iteration, or give --iterate.networks afresh --iterate.controller anew."
        )
    for variable, value in zip(own, taken, strict=True):
        variable.assign(value)


def warmup_steps(steps: int) -> int:
    """Steps of warm-up for trained weights in a training of so many steps: WARMUP_STEPS, and at
    most half of them.
    """
    return min(WARMUP_STEPS, steps // 2)


def mean_before(run: Run) -> Path | None:
    """The file of the driver at which this iteration's search begins; None where it begins at
    zeros.

    Raises:
        FileNotFoundError: it is not there; the message has the command that evolves it.
    """
    return (
        driver_before(run)
        if run.iteration > 0 and run.experiment.iterate.controller == "previous"
        else None
    )


def parameters_of(file: Path, shape) -> np.ndarray:
    """The parameters (N,) float64 of a driver of the same shape.

    Args:
        file: see `mean_before`.
        shape: control.controller.Controller that is to be evolved.

    Raises:
        ValueError: the file is damaged, or its driver sees or does something else.
    """
    there, parameters, _ = type(shape).load(file)
    if there != shape:
        raise ValueError(
            f"{file}: expected a driver like the one asked for ({shape}), received {there}; give --iterate.controller anew."
        )
    return parameters
