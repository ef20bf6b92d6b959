"""What a run's report holds, section by section: each function makes one part of the page out of a run.

A function gives None where its part does not belong to such a run, and raises what names the command where the run has not come to it.
Knows which figure shows what, and which file lies where; how anything is drawn it does not know.
"""

import functools
from collections.abc import Callable, Sequence

import numpy as np

from WorldModels import gather, gather_dreams, show
from WorldModels.experiment.files import read_json, read_rows
from WorldModels.experiment.results import Run
from WorldModels.page import Part
from WorldModels.provenance import log, settings, versions

FRAMES = 500  # of which latents are counted
SWEPT = 6  # dimensions of z
HORIZONS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.2)  # seconds of dreaming on
DREAM_SECONDS = (0.0, 0.2, 0.4, 0.8, 1.2, 1.6, 2.2, 3.0)  # moments of a dream
TEMPERATURES = (0.1, 0.5, 1.0, 1.3)
FILM_BYTES = 900_000


def scores(run: Run) -> Part:
    from WorldModels.figures.scores import cells

    found = show.summaries(_test(run))
    columns, rows = cells(found)
    driven = frozenset(i for i, name in enumerate(found) if name.startswith("driver"))
    return Part("table", said="Returns over test games, with the interval in which the mean lies with 95 % probability (bootstrap). The "
                "other policies do not look.", columns=("policy", *columns), rows=rows, marked=driven, wide=True)  # fmt: skip


def histogram(run: Run) -> Part:
    from WorldModels.figures.curves import score_histogram

    return _picture(score_histogram(show.returns(_test(run)), "game"), "The same returns, game by game.")


def learned_in_a_dream(run: Run) -> Part | None:
    from WorldModels.figures.dreams import dream_curve

    if run.experiment.controller.world == "real":
        return None
    found = show.dreamt(run)
    (_, random), rows = show.returns(found).values(), _generations(run)
    return _picture(dream_curve(rows, found["curve"], float(np.mean(random)), show.solved(run)),
                    "Returns in the dream, and of drivers on the way in the real game, which chose nothing.")  # fmt: skip


def real_film(run: Run) -> Part:
    return _film(run, "real.mp4", "The test game whose score is nearest the median, as people see it.")


def rebuilt_film(run: Run) -> Part:
    return _film(run, "reconstructed.mp4", "The same game as V sees it, and as V rebuilds it.")


def dream_film(run: Run) -> Part:
    from WorldModels.figures.films import running_reward

    if (run.path / "dream.mp4").exists():
        return _film(run, "dream.mp4", "A test dream of the driver: no game runs here. The one whose score is nearest the median.")
    found = gather_dreams.dream(run, 1.0, max_steps=round(6 * show.fps(run)))
    frames = running_reward({"dream": found.frames}, found.rewards)
    return Part("picture", show.animated(frames, show.fps(run), most=FILM_BYTES), "The driver in M's dream, in which no game runs.")


def reconstructions(run: Run) -> Part:
    from WorldModels.figures.reconstructions import reconstruction_grid

    frames = gather.held_out_frames(run, 16)
    return _picture(reconstruction_grid(frames, gather.rebuilt(run, frames)), "Frames that V was not trained on, and what V makes of them.",
                    wide=True)  # fmt: skip


def samples(run: Run) -> Part:
    from WorldModels.figures.reconstructions import prior_samples

    return _picture(prior_samples(gather.prior(run, 16)), "What V draws when z is chance.")


def latents(run: Run) -> Part:
    from WorldModels.figures.latents import latent_statistics

    return _picture(latent_statistics(*gather.posterior(run, gather.held_out_frames(run, FRAMES))), "How much each number of z is used.")


def traversal(run: Run) -> Part:
    from WorldModels.figures.latents import latent_summary
    from WorldModels.figures.reconstructions import latent_traversal

    frames = gather.held_out_frames(run, FRAMES)
    kl = latent_summary(*gather.posterior(run, frames))["kl"]
    most = np.argsort(-kl, kind="stable")[:SWEPT]
    swept = gather.traversal(run, frames[len(frames) // 2], most)
    return _picture(latent_traversal(swept, gather.SWEEP, most), "One number of a frame's z changed at a time: those that say most.")


def vision_learning(run: Run) -> Part:
    from WorldModels.figures.curves import vision_curves

    return _picture(vision_curves(read_rows(run.need("vision.csv", "train_vision"))), "V's training, epoch by epoch.")


def vision_losses(run: Run) -> Part | None:
    from WorldModels.figures.losses import loss_curves

    rows = read_rows(run.need("vision.csv", "train_vision"))
    if run.experiment.vision.kind != "vae_gan":
        return None
    often = read_rows(run.path / "vision" / "losses.csv")
    return _picture(loss_curves(often, rows), "Every number of the contest in V's training.", wide=True)


def memory_learning(run: Run) -> Part:
    from WorldModels.figures.curves import memory_curves

    return _picture(memory_curves(read_rows(run.need("memory.csv", "train_memory"))),
                    "M's training: how surprised it is by the next z, in natural units of information a latent dimension.")  # fmt: skip


def foreseen(run: Run) -> Part:
    from WorldModels.figures.predictions import next_frames

    episode = _recorded(run)
    rebuilt, guesses = gather.rebuilt(run, episode.observations), gather_dreams.foreseen(run, episode)
    some = np.unique(np.linspace(len(episode) // 8, len(episode) * 5 // 8, 8, dtype=int))
    return _picture(next_frames(rebuilt[:-1][some], rebuilt[1:][some], guesses[some]),
                    "One step ahead, in a game that M was not trained on.", wide=True)  # fmt: skip


def imagined(run: Run) -> Part:
    from WorldModels.figures.filmstrips import imagined_strip

    episode, steps = _recorded(run), _steps(run, HORIZONS)
    start = len(episode) // 3
    real, dreamt = episode.observations[start:], gather_dreams.imagined(run, episode, start, steps[-1])
    return _picture(imagined_strip(real, gather.rebuilt(run, real), dreamt, steps, show.fps(run)),
                    "Real, reconstructed, imagined: from 0.0 s on M is given the actions alone.", wide=True)  # fmt: skip


def temperatures(run: Run) -> Part:
    from WorldModels.figures.filmstrips import dream_filmstrips

    steps = _steps(run, DREAM_SECONDS)
    dreamt = {heat: gather_dreams.dream(run, heat, max_steps=steps[-1] + 1).frames for heat in TEMPERATURES}
    return _picture(dream_filmstrips(dreamt, steps, show.fps(run)), "The driver's dreams from one start, cold to hot.", wide=True)


def dreamt_twice(run: Run) -> Part:
    from WorldModels.figures.filmstrips import dreamt_twice

    steps = _steps(run, DREAM_SECONDS)
    first = gather_dreams.dream(run, 1.0, max_steps=steps[-1] + 1)
    second = gather_dreams.dream(run, 1.0, seed=1, max_steps=steps[-1] + 1, start=first.z[0])
    return _picture(dreamt_twice(first.frames, second.frames, steps, show.fps(run)), "The same start dreamt twice, by other chances.",
                    wide=True)  # fmt: skip


def horizon(run: Run) -> Part | None:
    from WorldModels.figures.dreams import horizon_curves

    if run.experiment.controller.world == "real":
        return None
    return _picture(horizon_curves(show.dreamt(run)["dream_checks"]["horizon"]), "How far dreaming on strays from what came.")


def tempered(run: Run) -> Part | None:
    from WorldModels.figures.temperatures import temperature_figure

    if run.experiment.controller.world == "real":
        return None
    found = read_json(run.need("temperatures/temperatures.json", "temperatures"))
    return _picture(temperature_figure(found["evolved"]), "A driver evolved at each temperature: its return in the dream and in the game.")


def weights(run: Run) -> Part:
    from WorldModels.figures.weights import controller_weights

    return _picture(controller_weights(*gather.weights(run), show.actions(run)), "C's weights: which number moves which action.", wide=True)


def search(run: Run) -> Part:
    from WorldModels.figures.curves import generation_curves

    dream = run.experiment.controller.world == "dream"
    solved = None if dream else show.solved(run)
    return _picture(generation_curves(_generations(run), solved, dream), "The search, generation by generation.")


def learning(against: str) -> Callable[[Run], Part]:
    """The learning curve against "generation", "frames" or "hours"."""

    def part(run: Run) -> Part:
        from WorldModels.figures.learning import learning_curve

        curve = learning_curve({"this run": _generations(run)}, against, run.experiment.name, show.solved(run),
                               run.experiment.controller.world == "dream")  # fmt: skip
        return _picture(curve, {"generation": "Beside the published curve, by generation.", "hours": "The same by wall time.",
                                "frames": "The same by steps that the driver has taken."}[against])  # fmt: skip

    return part


SECTIONS: dict[str, tuple[str, Sequence[Callable[[Run], Part | None]]]] = {
    "Results": ("How well the driver does in games that neither trained nor chose it, and what that looks like.",
                (scores, histogram, learned_in_a_dream, real_film, rebuilt_film, dream_film)),
    "See: V": ("V squeezes a frame into a few numbers, z, and makes a frame of them again.",
               (reconstructions, samples, latents, traversal, vision_learning, vision_losses)),
    "Remember and imagine: M": ("M reads z and actions, foresees the next z, and can go on without the game.",
                                (imagined, temperatures, dreamt_twice, foreseen, memory_learning, horizon, tempered)),
    "Act: C": ("C turns z and what M remembers into actions. It is bred, not trained.",
               (weights, search, learning("generation"), learning("frames"), learning("hours"))),
    "Made with": ("Enough to make it again: the same settings and seed give the same run.", (settings, versions, log)),
}  # fmt: skip


def _test(run: Run) -> dict:
    return read_json(run.need("evaluation.json", "evaluate"))


def _generations(run: Run) -> list[dict]:
    return read_rows(run.need("controller/generations.csv", "train_controller"))


@functools.cache
def _recorded(run: Run):
    return show.recorded(run)


def _steps(run: Run, seconds: Sequence[float]) -> list[int]:
    return [round(second * show.fps(run)) for second in seconds]


def _picture(figure, said: str, wide: bool = False) -> Part:
    return Part("picture", show.png(figure), said, wide=wide)


def _film(run: Run, name: str, said: str) -> Part:
    _test(run)  # where there was no test at all, that is what is missing
    return Part("film", run.need(name, "evaluate").read_bytes(), said)
