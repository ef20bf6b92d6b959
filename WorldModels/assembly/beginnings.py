"""What the search for C begins with: its shape, and zeros, an earlier mean or a shipped one."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from WorldModels.assembly import worlds
from WorldModels.experiment.pretrained import is_pretrained, source_of
from WorldModels.experiment.run import Run
from WorldModels.experiment.stages import stage_facts


def controller_shape(run: Run) -> Any:
    """The controller that the settings ask for, without parameters."""
    from WorldModels.control.controller import Controller

    experiment, s = run.experiment, run.experiment.controller
    env = worlds.real_world("", experiment.env)()
    try:
        space = env.action_space
    finally:
        env.close()
    return Controller(
        s.features,
        experiment.vision.latent_size,
        experiment.memory.h_size,
        action_size=space.shape[0],
        chooses=getattr(space, "choice", False),
        num_hidden=s.num_hidden,
        bias=s.bias,
        latent=s.seen,
    )


def mean_before(run: Run) -> Path | None:
    """The file of the driver that this iteration's search starts from; None: it starts at zero.

    Raises:
        FileNotFoundError: it is missing; the message gives the command that evolves it.
    """
    continues = run.iteration > 0 and run.experiment.iterate.controller == "previous"
    return worlds.driver_before(run) if continues else None


def given_driver(run: Run) -> np.ndarray | None:
    """The mean (N,) of the trained driver that --reuse names, where a search starts from it.

    Its sigma becomes the run's, unless one was typed. None: the search starts at zero.
    """
    if run.iteration or not is_pretrained(run.experiment.reuse):
        return None
    file = source_of(run.experiment.reuse) / "0" / "controller" / "mean.npz"
    if not file.exists():
        return None
    shape = controller_shape(run)
    there, mean, facts = type(shape).load(file)
    begins = run.experiment.force or not stage_facts(run.path, "controller")
    say = run.say if begins else lambda line: None
    if replace(there, latent=shape.latent) != shape:
        say(
            f"{run.verb}: starts at zero, as the driver of {run.experiment.reuse} has another "
            f"shape, {there}."
        )
        return None
    noun = "controller" if run.experiment.controller.world == "real" else "dream"
    if begins and f"{noun}.sigma" not in (run.typed or ()):
        own = replace(getattr(run.experiment, noun), sigma=facts["sigma"])
        run.experiment = replace(run.experiment, **{noun: own})
    say(
        f"{run.verb}: starts from the mean of {run.experiment.reuse} after generation "
        f"{facts['generation']:.0f}, with sigma {getattr(run.experiment, noun).sigma:.4g}."
    )
    return mean


def parameters_of(file: Path, shape: Any) -> np.ndarray:
    """The parameters (N,) float64 of a driver with this shape.

    Args:
        file: see `mean_before`.
        shape: the control.controller.Controller to evolve.

    Raises:
        ValueError: the file is damaged, or its driver has another shape.
    """
    there, parameters, _ = type(shape).load(file)
    if there != shape:
        raise ValueError(
            f"{file}: expected a driver like the one to evolve ({shape}), received {there}; give "
            "--iterate.controller anew."
        )
    return parameters
