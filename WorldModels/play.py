"""Drive yourself: in the real game, in the game as V sees it, or in the dream.

    python -m WorldModels.play carracing                                   # the real game
    python -m WorldModels.play carracing --world latent                    # V's frame, and V's
                                                                           # reconstruction
    python -m WorldModels.play takecover --world dream --temperature 1.3   # M is the world

The arrow keys drive; m hands over to the trained controller and back; space pauses, and . steps
once while paused; [ and ] lower and raise the temperature of a dream; r restarts, n takes another
track, game or dream; g saves a GIF of the last ten seconds to play/ in the iteration's folder; Esc
quits. Apart from GIFs it writes nothing to the run's folder, so it may run beside another verb.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from WorldModels.experiment.command import run_verb
from WorldModels.experiment.errors import one_line
from WorldModels.experiment.fields import flag_of, free, named
from WorldModels.experiment.games.registry import game_of
from WorldModels.experiment.run import Run
from WorldModels.experiment.settings.experiment import Experiment
from WorldModels.experiment.stored import stored_experiment

FIRST_SEED = 8_000_000  # of the tracks that people drive; used for nothing else
GIF_WIDTH = 256  # pixels that small pictures are enlarged to in a GIF, or a little less
SEEN = {"real": "the real game", "latent": "the game as V sees it", "dream": "the dream"}
# World -> the files it needs -> the verb that makes each.
NEEDS = {
    "real": {},
    "latent": {"vision.keras": "train_vision"},
    "dream": {
        "memory.keras": "train_memory",
        "first_latents.npz": "encode",
        "vision.keras": "train_vision",
    },
}


@dataclass(frozen=True)
class PlaySettings(Experiment):
    """An experiment, and the world that you drive in."""

    # real: the game; latent: the game as V sees it; dream: M's dream
    world: Literal["real", "latent", "dream"] = free("real")
    # of the dream; by default --dream.temperature
    temperature: float | None = free(None, {"world": ("dream",)})
    frames: int = free(0)  # stop after this many thirtieths of a second (0: when you quit)

    def __post_init__(self):
        super().__post_init__()
        if self.temperature is not None and not 0 < self.temperature < math.inf:
            raise ValueError(
                f"--temperature: expected a positive number, received {self.temperature}."
            )
        if self.frames < 0:
            raise ValueError(f"--frames: expected 0 or more, received {self.frames}.")


def play(run: Run) -> None:
    """Open the world and a window, and play until the person quits."""
    from WorldModels.envs.takecover.game import EngineDiedError
    from WorldModels.playing.window import Window, need_screen

    settings = run.experiment
    _refuse_unused(run)
    if settings.env.observation == "vector" and settings.world != "real":
        raise ValueError(
            "--world: expected real with --env.observation vector, since V sees no frames, "
            f"received {settings.world}."
        )
    for name, verb in NEEDS[settings.world].items():
        run.need(name, verb)
    need_screen()
    session = open_session(run)
    window = Window(f"{settings.name}, {SEEN[settings.world]}", session.pictures)
    try:
        loop(session, window, settings.frames)
    except KeyboardInterrupt:  # Ctrl-C in the terminal does the same as Esc in the window
        pass
    except EngineDiedError as error:
        raise ValueError(
            f"{error}; the game is lost; start again: {run.command('play')}"
        ) from error
    finally:
        window.close()
        session.world.close()


def _refuse_unused(run: Run) -> None:
    """Refuse flags that the game does without; play remembers none for later.

    Raises:
        ValueError: there is one.
    """
    from WorldModels.assembly.showing.run import refuse_differences

    if (run.folder / "config.json").exists():
        stored = stored_experiment(run.folder, run.experiment.iteration)
        refuse_differences(run, stored, apart=("env", "dream"))
    settings, typed = run.experiment, run.typed or frozenset()
    for name, _, value in named(settings):
        if name not in typed or not name.startswith("dream."):
            continue
        if settings.world != "dream":
            raise ValueError(
                f"{flag_of(name)}: expected none with --world {settings.world}, which is no dream, "
                f"received {value}; give --world dream, or drop it."
            )
        if name == "dream.temperature" and settings.temperature is not None:
            raise ValueError(
                f"{flag_of(name)}: expected none beside --temperature {settings.temperature}, "
                f"received {value}; drop one of them."
            )


def loop(session: Any, window: Any, frames: int = 0) -> None:
    """Read keys, step and draw, thirty times a second, until the person quits.

    Args:
        session: a playing.session.Session.
        window: a playing.window.Window.
        frames: stop after this many pictures; 0: never.
    """
    shown, told = 0, ""
    while not session.over:
        window.hear(session)
        session.tick()
        window.show(session)
        if session.message not in ("", told):
            print(session.message, flush=True)  # the terminal's text can be copied
        told, shown = session.message, shown + 1
        if shown == frames:
            return
        window.wait()


def open_session(run: Run) -> Any:
    """The session of an open run: the world, its pictures, and the controller if there is one."""
    from WorldModels.assembly.worlds import chooses
    from WorldModels.playing.hands import Hands
    from WorldModels.playing.session import Session

    settings = run.experiment
    dream = settings.world == "dream"
    world, driver, no_driver = _dream(run) if dream else _game(run)
    return Session(
        world,
        Hands(game_of(settings.env.id), world.action_space.shape[0], chooses(settings.env)),
        _look(run, world),
        driver=driver,
        no_driver=no_driver,
        temperature=_temperature(settings) if dream else None,
        first_seed=FIRST_SEED,
        save=lambda clip: save_gif(run.path / "play", clip),
    )


def _temperature(settings: PlaySettings) -> float:
    return settings.dream.temperature if settings.temperature is None else settings.temperature


def _game(run: Run) -> tuple[Any, Any, str]:
    """The real world through V and M, C, and ""; or the bare world, None, and why there is no C."""
    from WorldModels.assembly.worlds import controller_file, driven, real_world

    bare = real_world(run.path, run.experiment.env)()
    try:
        for name, verb in (("vision.keras", "train_vision"), ("memory.keras", "train_memory")):
            run.need(name, verb)
        return *driven(bare, controller_file(run), run.path), ""
    except (FileNotFoundError, ValueError) as error:
        return bare, None, one_line(error)


def _dream(run: Run) -> tuple[Any, Any, str]:
    """The dream, C, and ""; or the dream, None, and why there is no C."""
    from WorldModels.assembly.worlds import controller_file, dream_world
    from WorldModels.control.controller import Controller, ControllerPolicy

    settings = run.experiment
    how = {"temperature": _temperature(settings)}
    try:
        shape, parameters, _ = Controller.load(controller_file(run))
    except (FileNotFoundError, ValueError) as error:
        return dream_world(run.path, settings, **how)(), None, one_line(error)
    world = dream_world(run.path, settings, **how, features=shape.features)()
    given = world.observation_space.shape
    if given == (shape.feature_size,):
        return world, ControllerPolicy(shape, parameters), ""
    return (
        world,
        None,
        f"expected a controller for the {given[0]} features that M gives, received one for "
        f"{shape.feature_size}; evolve it again: {run.command('train_controller')}",
    )


def _look(run: Run, world: Any) -> Callable[[Any, dict], dict[str, np.ndarray]]:
    """A function from an observation and its info to the pictures that are shown."""
    kind = run.experiment.world
    if kind != "latent":
        return lambda observation, info: {kind: world.render()}
    from WorldModels.assembly.opening import open_reconstruction
    from WorldModels.figures.frames import as_uint8

    reconstruct = open_reconstruction(run.path)

    def both(observation: np.ndarray, info: dict) -> dict[str, np.ndarray]:
        frame = info.get("frame", observation)
        return {"frame": frame, "reconstruction": as_uint8(reconstruct(frame[None])[0])}

    return both


def save_gif(folder: Path, clip: list[dict[str, np.ndarray]]) -> Path:
    """Write a clip, its pictures side by side, as the next NNN.gif of a folder; return the file.

    Raises:
        OSError: it cannot be written.
    """
    from WorldModels.figures.videos import side_by_side, write_gif
    from WorldModels.playing.session import CLIP_EVERY, FPS

    clips = {name: [pictures[name] for pictures in clip] for name in clip[0]}
    width = max(frames[0].shape[1] for frames in clips.values())
    taken = [int(path.stem) for path in folder.glob("*.gif") if path.stem.isdigit()]
    file = folder / f"{max(taken, default=-1) + 1:03}.gif"
    shown = side_by_side(clips, max(1, GIF_WIDTH // width))
    write_gif(file, shown, FPS / CLIP_EVERY, every=1)
    return file


def main(argv: list[str] | None = None) -> None:
    """Run the verb."""
    run_verb("play", play, argv, __doc__, PlaySettings, reads_only=True)


if __name__ == "__main__":
    main()
