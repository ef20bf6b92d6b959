"""A run's pictures for a README: what was real, reconstructed and imagined, a drive, a dream, the
training curve -> imgs/

    python -m WorldModels.pictures carracing                                   # of
    results/carracing, into imgs/
    python -m WorldModels.pictures takecover --results results/doom --to docs

Each is NAME_strip.png, NAME_drive.gif, NAME_dream.gif or NAME_curve.png, NAME being the
experiment's. The settings are those that
lie in the run's folder, which is only read; the same run gives the same pictures. Of an unfinished
run there are the pictures that
it has the parts for, and of the others the command that makes what they lack.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from WorldModels.assembly.showing import page as show
from WorldModels.assembly.showing import run as gather
from WorldModels.experiment.command import one_line, run_verb
from WorldModels.experiment.fields import free
from WorldModels.experiment.files import read_json
from WorldModels.experiment.run import Run
from WorldModels.experiment.settings.experiment import Experiment

GIF_BYTES = 1_900_000
SECONDS = 12  # of a GIF
LEAD = 1.0  # seconds of a drive before its GIF begins: CarRacing's camera comes down from far away
STRIP_SECONDS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.2, 1.6)  # moments of the strip
STRIP_START = 0.25  # share of a game before the strip begins
STRIP_TEMPERATURE = 0.5


@dataclass(frozen=True)
class PictureSettings(Experiment):
    """An experiment, and where its pictures go."""

    to: str = free("imgs")  # folder of the pictures


def pictures(run: Run) -> None:
    """Have the pictures of a run in the folder --to.

    Raises:
        FileNotFoundError: the run has the parts for none of them.
        ValueError: V sees vectors.
    """
    folder, stored = Path(run.experiment.to), gather.opened_as(run)
    missing = {}
    for name, make in PICTURES.items():
        path = folder / f"{stored.experiment.name}_{name}"
        try:
            make(stored, path)
            print(f"pictures: {path}, {path.stat().st_size / 1000:.0f} kB.", flush=True)
        except (FileNotFoundError, ValueError) as error:
            missing[path] = one_line(error)
            print(f"pictures: {path} is left out: {missing[path]}", flush=True)
    if len(missing) == len(PICTURES):
        raise FileNotFoundError(next(iter(missing.values())))


def strip(run: Run, path: Path) -> None:
    """Moments of a game, what V makes of them, and what M imagines from the first of them on.

    The driver's own game where it has learned in M's dream, else a recorded one, of the kind that M
    knows.
    """
    from WorldModels.assembly.showing.memory import imagined
    from WorldModels.figures.filmstrips import imagined_strip
    from WorldModels.figures.style import save

    real_world, fps = run.experiment.controller.world == "real", show.fps(run)
    episode = (
        show.recorded(run)
        if real_world
        else gather.drive(run, _filmed(run, "filmed", gather.DRIVE_SEED))
    )
    steps = [round(second * fps) for second in STRIP_SECONDS]
    start = min(round(STRIP_START * len(episode)), max(0, len(episode) - steps[-1]))
    real = episode.observations[start : start + steps[-1] + 1]
    dreamt = imagined(run, episode, start, steps[-1], STRIP_TEMPERATURE)
    save(imagined_strip(real, gather.rebuilt(run, real), dreamt, steps, fps), path)


def drive(run: Run, path: Path) -> None:
    """A game of the driver: as people see it, as V sees it, and as V rebuilds it, with the reward
    so far.
    """
    import itertools

    from WorldModels.figures.films import three_views
    from WorldModels.figures.videos import write_gif

    fps = show.fps(run)
    first, length = round(LEAD * fps), round(SECONDS * fps)
    episode = gather.drive(run, _filmed(run, "filmed", gather.DRIVE_SEED), max_steps=first + length)
    seen = episode.observations[first : first + length]
    views = itertools.islice(gather.rendered(run, episode), first, first + length)
    rewards = [episode.rewards[:first].sum(), *episode.rewards[first:]]
    write_gif(
        path,
        three_views(views, seen, gather.rebuilt(run, seen), rewards=rewards, height=192),
        fps,
        every=4,
        most=GIF_BYTES,
    )


def dream(run: Run, path: Path) -> None:
    """A dream of the driver, with the reward so far."""
    from WorldModels.assembly.showing.memory import DREAM_SEED
    from WorldModels.assembly.showing.memory import dream as dreamt
    from WorldModels.figures.films import running_reward
    from WorldModels.figures.videos import write_gif

    fps = show.fps(run)
    found = dreamt(
        run, seed=_filmed(run, "filmed_dream", DREAM_SEED), max_steps=round(SECONDS * fps)
    )
    clip = {f"dream, temperature {found.temperature:g}": found.frames}
    write_gif(path, running_reward(clip, found.rewards, scale=4), fps, every=4, most=GIF_BYTES)


def curve(run: Run, path: Path) -> None:
    """How C learned: in the game over frames, in a dream over generations beside its real games."""
    from WorldModels.assembly.evaluation.scorecard import SOLVED
    from WorldModels.figures.dreams import dream_curve
    from WorldModels.figures.learning import learning_curve
    from WorldModels.figures.style import save

    solved, report = (
        SOLVED.get(run.experiment.env.id),
        read_json(run.path / "evaluation.json") or {},
    )
    rows, dream = gather.generations(run), run.experiment.controller.world == "dream"
    if report.get("curve"):
        level = next(iter(next(iter(report["baselines"].values())).values()))["mean"]
        return save(
            dream_curve(gather.generations(run, dream=True), report["curve"], level, solved), path
        )
    save(
        learning_curve(
            {run.experiment.scale + " scale": rows},
            "frames",
            solved=None if dream else solved,
            dreamt=dream,
        ),
        path,
    )


PICTURES: dict[str, Callable[[Run, Path], None]] = {
    "strip.png": strip,
    "drive.gif": drive,
    "dream.gif": dream,
    "curve.png": curve,
}


def _filmed(run: Run, what: str, seed: int) -> int:
    """The seed of the game or dream that stands for all in the run's test; where there was no test,
    the first of it.
    """
    filmed = (read_json(run.path / "evaluation.json") or {}).get(what)
    filmed = filmed[0] if isinstance(filmed, list) and filmed else filmed
    return filmed["seed"] if filmed else seed


def main(argv: list[str] | None = None) -> None:
    run_verb("pictures", pictures, argv, __doc__, settings=PictureSettings, reads_only=True)


if __name__ == "__main__":
    main()
