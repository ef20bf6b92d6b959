"""A run's pictures for a README: frames, a drive, a dream, the learning curve."""

from collections.abc import Callable
from pathlib import Path

from WorldModels.assembly.showing.facts import (
    evaluation,
    fps,
    game,
    generations,
    in_dream,
    solved_line,
)
from WorldModels.experiment.files import read_json
from WorldModels.experiment.run import Run

GIF_BYTES = 1_900_000
SECONDS = 12  # of a GIF
LEAD = 1.0  # seconds of a drive that its GIF skips: CarRacing's camera zooms in first
STRIP_SECONDS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.2, 1.6)  # moments of the strip
STRIP_START = 0.25  # share of a game before the strip begins
STRIP_TEMPERATURE = 0.5


def strip(run: Run, path: Path) -> None:
    """Draw moments of a game, V's reconstructions, and what M imagines from the first one on.

    The game is the driver's own if it learned in M's dream, otherwise a recorded one: the kind of
    game that M knows.
    """
    from WorldModels.assembly.showing.driver import recorded
    from WorldModels.assembly.showing.memory import imagined
    from WorldModels.assembly.showing.vision import rebuilt
    from WorldModels.figures.filmstrips import imagined_strip
    from WorldModels.figures.style import save

    real_world = run.experiment.controller.world == "real"
    episode = recorded(run) if real_world else _test_drive(run)
    steps = [round(second * fps(run)) for second in STRIP_SECONDS]
    start = min(round(STRIP_START * len(episode)), max(0, len(episode) - steps[-1]))
    real = episode.observations[start : start + steps[-1] + 1]
    dreamt = imagined(run, episode, start, steps[-1], STRIP_TEMPERATURE)
    save(imagined_strip(real, rebuilt(run, real), dreamt, steps, fps(run)), path)


def drive(run: Run, path: Path) -> None:
    """Film a game of the driver: as people see it, as V sees it, and as V reconstructs it."""
    import itertools

    from WorldModels.assembly.showing.driver import rendered
    from WorldModels.assembly.showing.vision import rebuilt
    from WorldModels.figures.films import three_views
    from WorldModels.figures.videos import write_gif

    first, length = round(LEAD * fps(run)), round(SECONDS * fps(run))
    episode = _test_drive(run, first + length)
    seen = episode.observations[first : first + length]
    views = itertools.islice(rendered(run.experiment.env, episode), first, first + length)
    rewards = [episode.rewards[:first].sum(), *episode.rewards[first:]]
    film = three_views(views, seen, rebuilt(run, seen), rewards=rewards, height=192)
    write_gif(path, film, fps(run), every=4, most=GIF_BYTES)


def dream(run: Run, path: Path) -> None:
    """Film a dream of the driver, with the reward so far."""
    from WorldModels.assembly.showing import memory
    from WorldModels.figures.films import running_reward
    from WorldModels.figures.videos import write_gif

    seed = _filmed(run, "filmed_dream", memory.DREAM_SEED)
    found = memory.dream(run, seed=seed, max_steps=round(SECONDS * fps(run)))
    clip = {f"dream, temperature {found.temperature:g}": found.frames}
    film = running_reward(clip, found.rewards, scale=4)
    write_gif(path, film, fps(run), every=4, most=GIF_BYTES)


def curve(run: Run, path: Path) -> None:
    """Draw how C learned.

    The x-axis is frames; for a driver evolved in a dream and tested, it is generations, with the
    returns of kept generations in real games.
    """
    from WorldModels.figures.dreams import dream_curve
    from WorldModels.figures.learning import learning_curve
    from WorldModels.figures.style import save

    rows, report = generations(run), read_json(evaluation(run)) or {}
    if report.get("curve"):
        level = next(iter(next(iter(report["baselines"].values())).values()))["mean"]
        dreamt = generations(run, dream=True)
        return save(dream_curve(dreamt, report["curve"], level, game(run).solved), path)
    name = f"{run.experiment.scale} scale"
    line, dreamt = solved_line(run), in_dream(run)
    save(learning_curve({name: rows}, "frames", solved=line, dreamt=dreamt), path)


PICTURES: dict[str, Callable[[Run, Path], None]] = {
    "strip.png": strip,
    "drive.gif": drive,
    "dream.gif": dream,
    "curve.png": curve,
}


def _test_drive(run: Run, max_steps: int = 0):
    """An Episode of the driver: the one that its test filmed, if there is one."""
    from WorldModels.assembly.showing import driver

    return driver.drive(run, _filmed(run, "filmed", driver.DRIVE_SEED), max_steps)


def _filmed(run: Run, what: str, seed: int) -> int:
    """The seed of the game or dream that the test filmed; `seed` if there was no test."""
    filmed = (read_json(evaluation(run)) or {}).get(what)
    filmed = filmed[0] if isinstance(filmed, list) and filmed else filmed
    return filmed["seed"] if filmed else seed
