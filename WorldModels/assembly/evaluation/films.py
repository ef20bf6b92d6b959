"""Films representative games and a representative dream of a test."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from WorldModels.assembly.evaluation.drivers import shown_name
from WorldModels.assembly.evaluation.examiner import DRIVER, Examiner
from WorldModels.assembly.evaluation.tasks import LANES, SEEDS
from WorldModels.experiment.run import Run

GIF_SECONDS = 15  # how much of a dream its GIF shows; all of a long one would leave too few frames
DECODED_AT_ONCE = 100  # latents in a batch


def film_games(
    run: Run, examiner: Examiner, scores: list[float], rule: str, folder: Path
) -> list[dict]:
    """Film test games: the one nearest the median score, then some from the worst to the best.

    Args:
        run: the open run.
        examiner: the one whose driver drives.
        scores: of all test games, under the rule in force.
        rule: the name of that rule.
        folder: of the driver's evaluation, for the films.

    Returns:
        For each film: track, seed, rule, score, why, files (in the iteration's folder).
    """
    from WorldModels.figures.scores import nearest_quantiles

    films = []
    for track in nearest_quantiles(scores, run.experiment.evaluate.video_tracks):
        why = "from the lowest score to the highest" if films else "the score nearest the median"
        files = _film_game(run, examiner, track, folder, f"{track:03}-" if films else "")
        film = {"track": track, "seed": SEEDS[examiner.tested] + track, "rule": rule}
        films.append(film | {"score": scores[track], "why": why, "files": files})
    return films


def _film_game(run: Run, examiner: Examiner, track: int, folder: Path, prefix: str) -> list[str]:
    """Replay a game and film it; returns the names of the files.

    Args:
        run: the open run.
        examiner: the one whose driver drives.
        track: the number of the game.
        folder: for the films.
        prefix: of the files' names; empty for the first film.
    """
    from WorldModels.figures import videos

    episode, world = _played_again(examiner, SEEDS[examiner.tested] + track)
    if "rgb_array" not in world.metadata.get("render_modes", ()):
        run.say(
            "evaluate: the environment renders no pictures; skipping real.mp4, reconstructed.mp4 "
            "and reconstructed.gif."
        )
        return []
    file, fps = folder / f"{prefix}real.mp4", examiner.frames_a_second()
    shown = examiner.bare(examiner.game.shown(examiner.env))
    videos.write_mp4(file, _seen_by_a_person(shown, episode), fps)
    if episode.observations.ndim == 2:
        run.say(
            f"evaluate: V sees {episode.observations.shape[1]} numbers, not pictures; skipping "
            "reconstructed.mp4 and reconstructed.gif."
        )
        return [shown_name(run.path, file)]
    every_frame = run.experiment.evaluate.frames and not prefix
    clips = _seen_by_vision(run.path, episode.observations)
    files = [file, *_film_vision(clips, folder, prefix, fps, every_frame)]
    return [shown_name(run.path, file) for file in files]


def _played_again(examiner: Examiner, seed: int):
    """The Episode of a replayed game under the rule in force, and its world, already closed."""
    from WorldModels.control.rollout import rollout

    world = examiner.world(DRIVER, examiner.game.filmed(examiner.env))
    policy = examiner.policy(DRIVER)
    result = rollout(world, policy, seed, examiner.env.max_steps, keep="episode")
    world.close()
    return result.episode, world


def _seen_by_vision(path: Path, frames: np.ndarray) -> dict[str, np.ndarray]:
    """What V sees, and its reconstruction."""
    from WorldModels.assembly.opening import open_reconstruction

    return {"real": frames, "reconstructed": open_reconstruction(path)(frames)}


def _film_vision(
    clips: dict[str, np.ndarray], folder: Path, prefix: str, fps: float, every_frame: bool
) -> list[Path]:
    """Film clips side by side; returns the files."""
    from WorldModels.figures import videos

    files = [folder / f"{prefix}reconstructed.{kind}" for kind in ("mp4", "gif")]
    videos.write_mp4(files[0], videos.side_by_side(clips), fps)
    videos.write_gif(files[1], videos.side_by_side(clips, scale=3), fps)
    if every_frame:
        files.append(folder / "frames")
        videos.write_pngs(files[-1], videos.side_by_side(clips))
    return files


def _seen_by_a_person(world, episode) -> Iterator[np.ndarray]:
    """The frames of a game replayed in the bare world, as the environment renders it for people."""
    from tqdm import tqdm

    world.reset(seed=episode.seed)
    yield world.render()
    for action in tqdm(episode.actions, unit="frame", desc="film"):
        world.step(action)
        yield world.render()
    world.close()


def film_dream(run: Run, examiner: Examiner, folder: Path) -> dict | None:
    """Film one of the driver's dreams as dream.mp4 and dream.gif.

    It is the one with the return nearest the median, among the dreams of the test's first task.

    Args:
        run: the open run.
        examiner: the one whose driver dreams.
        folder: of the driver's evaluation, for the films.

    Returns:
        dream (its number), seed, score, steps, temperature, files; None if V decodes no pictures.
    """
    if run.experiment.env.observation == "vector":
        return run.say("evaluate: V sees numbers, not pictures; skipping dream.mp4 and dream.gif.")
    from WorldModels.figures.scores import nearest_quantiles

    numbers = range(min(LANES, run.experiment.evaluate.dreams))
    returns, steps, latents = _dreamt_again(examiner, numbers)
    (dream,) = nearest_quantiles(returns, 1)
    temperature = examiner.dream.how["temperature"]
    label, fps = f"dream, temperature {temperature:g}", examiner.frames_a_second()
    files = _film_latents(run.path, folder, latents[dream], label, fps)
    return {
        "dream": dream,
        "seed": SEEDS["dreams"] + dream,
        "score": float(returns[dream]),
        "steps": int(steps[dream]),
        "temperature": temperature,
        "files": [shown_name(run.path, file) for file in files],
    }


def _dreamt_again(examiner: Examiner, numbers: range):
    """Returns (N,), steps (N,), and the latents (T+1, Z) of each of the driver's first dreams.

    They run in as many lanes as in the test, so that they turn out the same.
    """
    from WorldModels.control.controller import Controller

    size, seen = Controller.load(examiner.controllers[DRIVER])[0].latent_size, []

    def watch(features, alive):
        seen.append((features[:, :size].copy(), alive))

    returns, steps = examiner.dreams(DRIVER, numbers, SEEDS["dreams"], watch)
    latents = [np.stack([z[lane] for z, alive in seen if alive[lane]]) for lane in numbers]
    return returns, steps, latents


def _film_latents(path: Path, folder: Path, z: np.ndarray, label: str, fps: float) -> list[Path]:
    """Film the frames that V decodes from latents (T, Z); returns the files.

    Args:
        path: the iteration's folder with V.
        folder: for the films.
        z: the latents.
        label: the title.
        fps: frames a second.
    """
    from WorldModels.assembly.opening import open_decode
    from WorldModels.figures import videos
    from WorldModels.figures.frames import as_uint8

    decode, files = open_decode(path), [folder / "dream.mp4", folder / "dream.gif"]
    pieces = [z[i : i + DECODED_AT_ONCE] for i in range(0, len(z), DECODED_AT_ONCE)]
    frames = np.concatenate([as_uint8(decode(piece)) for piece in pieces])
    videos.write_mp4(files[0], videos.side_by_side({label: frames}, scale=6), fps)
    beginning = {label: frames[: round(GIF_SECONDS * fps)]}
    videos.write_gif(files[1], videos.side_by_side(beginning, scale=3), fps)
    return files
