"""Films representative games and a representative dream of a test."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from WorldModels.assembly.evaluation.examiner import DRIVER, Examiner
from WorldModels.assembly.evaluation.tasks import LANES, SEEDS
from WorldModels.experiment.run import Run

GIF_SECONDS = 15  # how much of a dream its GIF shows; all of a long one would leave too few frames
DECODED_AT_ONCE = 100  # latents in a batch


def film_games(run: Run, examiner: Examiner, scores: list[float], rule: str) -> list[dict]:
    """Film test games: the one nearest the median score, then some from the worst to the best.

    Args:
        run: the open run.
        examiner: the one whose driver drives.
        scores: of all test games, under the rule in force.
        rule: the name of that rule.

    Returns:
        For each film: track, seed, rule, score, why, files (in the iteration's folder).
    """
    from WorldModels.figures.scores import nearest_quantiles

    films = []
    for track in nearest_quantiles(scores, run.experiment.evaluate.video_tracks):
        why = "from the lowest score to the highest" if films else "the score nearest the median"
        files = _film_game(run, examiner, track, f"evaluation/{track:03}-" if films else "")
        film = {"track": track, "seed": SEEDS["tracks"] + track, "rule": rule}
        films.append(film | {"score": scores[track], "why": why, "files": files})
    return films


def _film_game(run: Run, examiner: Examiner, track: int, prefix: str) -> list[str]:
    """Replay a game and film it; returns the names of the files.

    Args:
        run: the open run.
        examiner: the one whose driver drives.
        track: the number of the game.
        prefix: of the files' names; empty for the first film.
    """
    from WorldModels.figures import videos

    episode, world = _played_again(examiner, SEEDS["tracks"] + track)
    if "rgb_array" not in world.metadata.get("render_modes", ()):
        run.say(
            "evaluate: the environment renders no pictures; skipping real.mp4, reconstructed.mp4 "
            "and reconstructed.gif."
        )
        return []
    name, fps = f"{prefix}real.mp4", examiner.frames_a_second()
    shown = examiner.bare(examiner.game.shown(examiner.env))
    videos.write_mp4(run.path / name, _seen_by_a_person(shown, episode), fps)
    if episode.observations.ndim == 2:
        run.say(
            f"evaluate: V sees {episode.observations.shape[1]} numbers, not pictures; skipping "
            "reconstructed.mp4 and reconstructed.gif."
        )
        return [name]
    every_frame = run.experiment.evaluate.frames and not prefix
    return [name, *_film_vision(run.path, prefix, episode.observations, fps, every_frame)]


def _played_again(examiner: Examiner, seed: int):
    """The Episode of a replayed game under the rule in force, and its world, already closed."""
    from WorldModels.control.rollout import rollout

    world = examiner.world(DRIVER, examiner.game.filmed(examiner.env))
    policy = examiner.policy(DRIVER, world.action_space.shape[0])
    result = rollout(world, policy, seed, examiner.env.max_steps, keep="episode")
    world.close()
    return result.episode, world


def _film_vision(
    path: Path, prefix: str, frames: np.ndarray, fps: float, every_frame: bool
) -> list[str]:
    """Film what V sees beside its reconstruction; returns the names of the files."""
    from WorldModels.assembly.opening import open_reconstruction
    from WorldModels.figures import videos

    clips = {"real": frames, "reconstructed": open_reconstruction(path)(frames)}
    names = [f"{prefix}reconstructed.mp4", f"{prefix}reconstructed.gif"]
    videos.write_mp4(path / names[0], videos.side_by_side(clips), fps)
    videos.write_gif(path / names[1], videos.side_by_side(clips, scale=3), fps)
    if every_frame:
        names.append("evaluation/frames")
        videos.write_pngs(path / names[-1], videos.side_by_side(clips))
    return names


def _seen_by_a_person(world, episode) -> Iterator[np.ndarray]:
    """The frames of a game replayed in the bare world, as the environment renders it for people."""
    from tqdm import tqdm

    world.reset(seed=episode.seed)
    yield world.render()
    for action in tqdm(episode.actions, unit="frame", desc="film"):
        world.step(action)
        yield world.render()
    world.close()


def film_dream(run: Run, examiner: Examiner) -> dict | None:
    """Film one of the driver's dreams as dream.mp4 and dream.gif.

    It is the one with the return nearest the median, among the dreams of the test's first task.

    Args:
        run: the open run.
        examiner: the one whose driver dreams.

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
    return {
        "dream": dream,
        "seed": SEEDS["dreams"] + dream,
        "score": float(returns[dream]),
        "steps": int(steps[dream]),
        "temperature": temperature,
        "files": _film_latents(run.path, latents[dream], label, fps),
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


def _film_latents(path: Path, z: np.ndarray, label: str, fps: float) -> list[str]:
    """Film the frames that V decodes from latents (T, Z); returns the names of the files."""
    from WorldModels.assembly.opening import open_decode
    from WorldModels.figures import videos
    from WorldModels.figures.frames import as_uint8

    decode, names = open_decode(path), ["dream.mp4", "dream.gif"]
    pieces = [z[i : i + DECODED_AT_ONCE] for i in range(0, len(z), DECODED_AT_ONCE)]
    frames = np.concatenate([as_uint8(decode(piece)) for piece in pieces])
    videos.write_mp4(path / names[0], videos.side_by_side({label: frames}, scale=6), fps)
    beginning = {label: frames[: round(GIF_SECONDS * fps)]}
    videos.write_gif(path / names[1], videos.side_by_side(beginning, scale=3), fps)
    return names
