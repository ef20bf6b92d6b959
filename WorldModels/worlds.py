"""Builds worlds from an iteration's folder, and the picklable makers that worker processes get.

A maker holds plain values only, and what it imports, it imports when it is called: a worker that opens perception.onnx
never sees Keras. Knows which file holds which model; how a network or an environment works it does not know.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

PERCEPTION = "perception.onnx"
BATCH = 100  # frames that V looks at at a time


@dataclass(frozen=True)
class WorldMaker:
    """Makes a real world in whatever process calls it: `maker()` gives a Gymnasium environment.

    Args:
        folder: an iteration's folder with V and M; not read for a bare world.
        features: "z", "zh", "zch"; empty: the bare world, which emits frames.
        latent: "mean" or "sampled".
        id, renderer, lap_complete, frame_size, random_start, max_steps: see envs/make.py.
    """

    folder: str = ""
    features: str = ""
    latent: str = "mean"
    id: str = "CarRacing-v3"
    renderer: str = "fast"
    lap_complete: float = 0.95
    frame_size: int = 64
    random_start: bool = False
    max_steps: int = 1000

    def __call__(self):
        """The environment.

        Raises:
            FileNotFoundError: V or M is missing.
            ValueError: a setting is out of its range, or contradicts V and M.
        """
        from WorldModels.envs.make import make_env

        env = make_env(self.id, renderer=self.renderer, lap_complete=self.lap_complete, frame_size=self.frame_size,
                       random_start=self.random_start, max_steps=self.max_steps)  # fmt: skip
        if not self.features:
            return env
        from WorldModels.envs.latent import LatentObservation

        return LatentObservation(env, open_perception(self.folder), self.features, self.latent)


def real_world(folder: str | Path, env: Any, *, features: str = "", latent: str = "mean", official: bool = False,
               random_start: bool = False, max_steps: int = 0) -> WorldMaker:  # fmt: skip
    """A maker of the real world of an experiment.

    Args:
        folder: the iteration's folder.
        env: settings with id, renderer, lap_complete, frame_size, max_steps (settings.EnvSettings).
        features, latent: what the controller sees; no features: the bare world.
        official: draw with the official renderer, as scores demand.
        random_start: begin on a random tile.
        max_steps: 0: as `env` says.
    """
    return WorldMaker(str(folder), features, latent, env.id, "official" if official else env.renderer, float(env.lap_complete),
                      env.frame_size, random_start, max_steps or env.max_steps)  # fmt: skip


def open_perception(folder: str | Path):
    """The perception of an iteration's folder: perception.onnx where it is, else vision.keras and memory.keras run by Keras.

    Raises:
        FileNotFoundError: V or M is missing.
        ValueError: a file is damaged, or V and M do not fit.
    """
    folder = Path(folder)
    if (folder / PERCEPTION).exists():
        from WorldModels.envs.sessions import PerceptionSession

        return PerceptionSession(folder / PERCEPTION)
    for name, verb in (("vision.keras", "train_vision"), ("memory.keras", "train_memory")):
        if not (folder / name).exists():
            raise FileNotFoundError(f"{folder / name} is missing; make it first: python -m WorldModels.{verb}")
    from WorldModels.models import load_perception

    return load_perception(folder / "vision.keras", folder / "memory.keras")


def open_reconstruction(folder: str | Path) -> Callable[[np.ndarray], np.ndarray]:
    """What V makes of frames, decode(mean of encode): (T, H, W, 3) uint8 -> (T, H, W, 3) float32 in 0..1.

    Runs encode.onnx and decode.onnx of an iteration's folder where they are, else vision.keras by Keras.

    Raises:
        FileNotFoundError: there is no V.
        ValueError: a file is damaged.
    """
    folder = Path(folder)
    if (folder / "encode.onnx").exists() and (folder / "decode.onnx").exists():
        from WorldModels.envs.sessions import open_session

        encoder, decoder = (open_session(folder / name, threads=0) for name in ("encode.onnx", "decode.onnx"))

        def reconstruct(frames: np.ndarray) -> np.ndarray:
            (mean,) = encoder.run(["mean"], {"observations": frames})
            return decoder.run(["observations"], {"z": mean})[0]
    else:
        import keras

        import WorldModels.vision.vae  # noqa: F401   registers the class with Keras

        vision = keras.models.load_model(folder / "vision.keras", compile=False)

        def reconstruct(frames: np.ndarray) -> np.ndarray:
            return keras.ops.convert_to_numpy(vision.decode(vision.encode(frames)[0]))

    return lambda frames: np.concatenate([reconstruct(frames[i : i + BATCH]) for i in range(0, len(frames), BATCH)])


def controller_file(run: Any, iteration: int | None = None) -> Path:
    """The trained driver that a verb takes: the kept mean of --controller.generation, or the best by validation score.

    Args:
        run: the open results.Run.
        iteration: whose; default the run's.

    Raises:
        FileNotFoundError: there is no driver yet, or that generation was not kept; the message names those that were.
    """
    folder = (run.path if iteration is None else run.folder / str(iteration)) / "controller"
    wanted = run.experiment.controller.generation
    if wanted >= 0:
        kept = sorted(int(path.stem) for path in folder.glob("generations/*.npz") if path.stem.isdigit())
        if wanted not in kept:
            there = ", ".join(map(str, kept)) if kept else f"none yet: {run.command('train_controller', iteration)}"
            raise FileNotFoundError(f"--controller.generation: expected a kept generation ({there}), received {wanted}.")
        return folder / "generations" / f"{wanted}.npz"
    # A run that was stopped before its first validation has a mean, but no best yet.
    for name in ("best.npz", "mean.npz"):
        if (folder / name).exists():
            return folder / name
    raise FileNotFoundError(f"{folder / 'best.npz'} is missing; make it first: {run.command('train_controller', iteration)}")


def driven(env: Any, controller: str | Path, folder: str | Path):
    """A world seen through V and M, and the driver for it: (Gymnasium environment of features, policy).

    Args:
        env: emits frames.
        controller: the driver's file; what it sees, and whether z is mean or sampled, comes from there.
        folder: the iteration's folder with V and M.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is damaged, or V, M, C and the environment do not fit.
    """
    from WorldModels.control.controller import Controller, ControllerPolicy
    from WorldModels.envs.latent import LatentObservation

    shape, parameters, _ = Controller.load(controller)
    world = LatentObservation(env, open_perception(folder), shape.features, shape.latent)
    if world.observation_space.shape != (shape.feature_size,):
        raise ValueError(
            f"{controller}: expected a driver for {world.observation_space.shape[0]} features, as V and M give, received one for "
            f"{shape.feature_size}; evolve it again: python -m WorldModels.train_controller"
        )
    return world, ControllerPolicy(shape, parameters)
