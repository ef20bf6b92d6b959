"""The arrays that pictures are made of, gathered from a run: frames, what V makes of them, drives
and the driver's weights.

    run = opened("results/carracing")
    frames = held_out_frames(run, 16)
    figure = reconstruction_grid(frames, rebuilt(run, frames))

What M makes of it all is in gather_dreams.py. Draws nothing and writes nothing; equal runs give
equal arrays. Knows which file lies
where; how a network or an environment works it does not know.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from WorldModels.assembly.opening import BATCH, open_decode, open_reconstruction
from WorldModels.experiment.files import read_json, read_rows
from WorldModels.experiment.presets import launch_script, preset
from WorldModels.experiment.run import Run, rng
from WorldModels.experiment.stored import stored_experiment, typed

RENDERER = "exact"  # CarRacing's official picture, drawn faster
DRIVE_SEED = 5_000_000  # of the first test game
MADE_BY = {
    "record": ("episodes", "episodes"),
    "train_vision": ("vision.keras", "V"),
    "encode": ("series", "series"),
    "train_memory": ("memory.keras", "M"),
    "train_controller": ("controller/best.npz", "C"),
    "evaluate": ("evaluation.json", "its test"),
}
SWEEP = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)  # standard deviations of the prior


def opened(
    results: str | Path, iteration: int = -1, generation: int = -1, vectors: bool = False
) -> Run:
    """A run, opened to be read, with the settings that lie in it.

    Args:
        results: its folder.
        iteration: -1: the latest.
        generation: whose mean drives; -1: the best.
        vectors: a run whose V sees vectors, which are no pictures, will do.

    Raises:
        FileNotFoundError: there is no run in the folder; the message has the command that makes
        one.
        ValueError: there is no such iteration, or V sees vectors, which cannot be shown.
    """
    experiment = stored_experiment(results)
    flags = [
        *typed(experiment),
        "--results",
        str(results),
        *(["--iteration", str(iteration)] if iteration >= 0 else []),
    ]
    there = sorted(int(path.name) for path in Path(results).iterdir() if path.name.isdigit())
    if iteration >= 0 and iteration not in there:
        raise ValueError(
            f"--iteration: expected one of {', '.join(map(str, there)) or 'none yet'}, received {iteration}."
        )
    if experiment.env.observation == "vector" and not vectors:
        raise ValueError(
            f"{results}: expected a run whose V sees pictures, received one of vectors; report shows what there is."
        )
    controller = replace(experiment.controller, generation=generation)
    experiment = replace(
        experiment, results=str(results), iteration=iteration, controller=controller
    )
    return Run(experiment, "pictures", flags, reads_only=True)


def opened_as(run: Run, vectors: bool = False) -> Run:
    """The run that a verb was given, opened to be read with the settings that lie in it;
    --iteration and a driver's generation hold.

    Args:
        run: as it was typed.
        vectors: as of `opened`.

    Raises:
        FileNotFoundError: there is no run; the message has the command that makes one.
        ValueError: it is another experiment's; or as `opened`.
    """
    asked, folder = run.experiment, run.folder
    if not (folder / "config.json").exists():
        flags = ([] if asked.scale == "laptop" else ["--scale", asked.scale]) + (
            ["--results", str(folder)] if asked.results else []
        )
        raise FileNotFoundError(
            f"{folder} has no results yet; make them first: {launch_script(asked.name, *flags)}"
        )
    stored = opened(folder, asked.iteration, asked.controller.generation, vectors)
    if stored.experiment.name != asked.name:
        raise ValueError(
            f"{folder}: expected a run of {asked.name}, received one of {stored.experiment.name}; --results names another."
        )
    return stored


def tested(run: Run) -> dict:
    """What evaluation.json holds.

    Raises:
        FileNotFoundError: there was no test yet; the message has the command that makes it.
        ValueError: the file is damaged.
    """
    path = run.need("evaluation.json", "evaluate")
    found = read_json(path)
    if not isinstance(found, dict) or not {"scores", "baselines", "filmed"} <= set(found):
        raise ValueError(
            f"{path}: expected the scores of a test, received none; remove it, and make it again: {run.command('evaluate')}"
        )
    return found


def generations(run: Run, dream: bool = False) -> list[dict[str, str]]:
    """The rows of generations.csv; those of the dream where the game came after it and `dream` asks
    for them.

    Raises:
        FileNotFoundError: there are none; the message has the command that makes them.
    """
    path = run.need("controller/generations.csv", "train_controller")
    return (
        read_rows(run.path / "controller" / "dream" / "generations.csv") if dream else []
    ) or read_rows(path)


def progress(run: Run) -> str:
    """How far a run has come: the parts that are there, and where one is not, what to type to make
    it.
    """
    there = [name for path, name in MADE_BY.values() if (run.path / path).exists()]
    missing = [verb for verb, (path, _) in MADE_BY.items() if not (run.path / path).exists()]
    return f"{', '.join(there) or 'nothing yet'}." + (
        f" Next: {run.command(missing[0])}" if missing else ""
    )


def game(run: Run) -> str:
    """The experiment's name, whose published results a run can be held against; none for another
    environment than the experiment's.
    """
    return (
        run.experiment.name
        if run.experiment.env.id == preset(run.experiment.name, "paper").env.id
        else ""
    )


def held_out_frames(run: Run, count: int) -> np.ndarray:
    """Frames (count, H, W, 3) uint8 of episodes that V was not trained on, spread evenly; where
    none were held out, of all.

    Raises:
        FileNotFoundError: there are no episodes.
    """
    from WorldModels.episodes.episode import list_episodes
    from WorldModels.episodes.frames import held_out, spread_frames

    training, validation = held_out(
        list_episodes(run.need("episodes", "record")), run.experiment.vision.validation_share
    )
    return spread_frames(validation or training, count)


def rebuilt(run: Run, frames: np.ndarray) -> np.ndarray:
    """What V makes of frames, from the mean of its posterior: (N, H, W, 3) float32 in 0..1."""
    run.need("vision.keras", "train_vision")
    return open_reconstruction(run.path)(frames)


def posterior(run: Run, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and log-variance (N, Z) that V gives frames."""
    run.need("vision.keras", "train_vision")
    if (run.path / "encode.onnx").exists():
        from WorldModels.envs.sessions import open_session

        session = open_session(run.path / "encode.onnx", threads=0)
        found = [
            session.run(["mean", "log_var"], {"observations": frames[i : i + BATCH]})
            for i in range(0, len(frames), BATCH)
        ]
    else:
        import keras

        from WorldModels.assembly.models import load_vision

        vision = load_vision(run.path / "vision.keras")
        found = [
            [keras.ops.convert_to_numpy(x) for x in vision.encode(frames[i : i + BATCH])]
            for i in range(0, len(frames), BATCH)
        ]
    return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))


def decoded(run: Run, z: np.ndarray) -> np.ndarray:
    """Frames (N, H, W, 3) uint8 that V decodes from z (N, Z)."""
    from WorldModels.figures.videos import as_uint8

    run.need("vision.keras", "train_vision")
    decode = open_decode(run.path)
    return np.concatenate([as_uint8(decode(z[i : i + BATCH])) for i in range(0, len(z), BATCH)])


def prior(run: Run, count: int) -> np.ndarray:
    """Frames (count, H, W, 3) uint8 that V decodes from a standard normal."""
    size = run.experiment.vision.latent_size
    return decoded(
        run,
        rng(run.experiment.seed, "pictures", "prior").standard_normal((count, size), np.float32),
    )


def traversal(
    run: Run, frame: np.ndarray, dimensions: Sequence[int], values: Sequence[float] = SWEEP
) -> np.ndarray:
    """What V decodes while one latent dimension of a frame is swept: (D, S, H, W, 3) uint8.

    Args:
        run: the open run.
        frame: (H, W, 3) uint8, whose other dimensions stay.
        dimensions: D of them.
        values: S that each takes.
    """
    z = np.tile(posterior(run, frame[None])[0][0], (len(dimensions), len(values), 1))
    for row, dimension in enumerate(dimensions):
        z[row, :, dimension] = values
    return decoded(run, z.reshape(-1, z.shape[-1])).reshape(*z.shape[:2], *frame.shape)


def epochs(run: Run) -> list[np.ndarray]:
    """The picture that training V left after each epoch, frames over reconstructions over samples:
    (H, W, 3) uint8 each.

    Raises:
        FileNotFoundError: there is none; the message has the command that makes them.
    """
    from PIL import Image

    folder = run.need("vision_epochs", "train_vision")
    return [
        np.asarray(Image.open(path).convert("RGB"))
        for path in sorted(folder.glob("*.png"))
        if path.stem.isdigit()
    ]


def drive(run: Run, seed: int = DRIVE_SEED, max_steps: int = 0) -> Any:
    """An Episode of the trained driver in the official game: what V sees of it.

    Args:
        run: the open run.
        seed: of the track or game.
        max_steps: 0: as the run's settings say.

    Raises:
        FileNotFoundError: V, M or C is missing; the message has the command that makes it.
    """
    from WorldModels.assembly.worlds import controller_file, driven
    from WorldModels.control.rollout import rollout

    world, driver = driven(_game(run, RENDERER), controller_file(run), run.path)
    try:
        return rollout(
            world, driver, seed, max_steps or run.experiment.env.max_steps, keep="episode"
        ).episode
    finally:
        world.close()


def rendered(run: Run, episode: Any) -> Iterator[np.ndarray]:
    """An episode once more, each of its T+1 moments as the environment draws it for people: (H, W,
    3) uint8.
    """
    world = _game(run, "fast")
    world.reset(seed=episode.seed)
    yield world.render()
    for action in episode.actions:
        world.step(action)
        yield world.render()
    world.close()


def _game(run: Run, renderer: str):
    from WorldModels.assembly.worlds import real_world

    return real_world(run.path, replace(run.experiment.env, renderer=renderer))()


def weights(run: Run) -> tuple[np.ndarray, dict[str, int]]:
    """A linear driver's weights (F, A), and how many of the features are z, c and h.

    Raises:
        FileNotFoundError: there is no driver yet; the message has the command that makes one.
        ValueError: the driver has a hidden layer.
    """
    from WorldModels.assembly.worlds import controller_file
    from WorldModels.control.controller import Controller

    shape, parameters, _ = Controller.load(controller_file(run))
    if shape.num_hidden:
        raise ValueError(
            f"controller: expected a linear one, received one with a hidden layer of {shape.num_hidden}; its weights name no "
            "feature's action."
        )
    sizes = {
        "z": shape.latent_size,
        "c": shape.cell_size or shape.hidden_size,
        "h": shape.hidden_size,
    }
    return shape.unpack(parameters[None])[0][1][0], {
        name: size for name, size in sizes.items() if name in shape.features
    }
