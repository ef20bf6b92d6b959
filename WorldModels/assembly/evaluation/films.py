"""Films of a test: games and dreams that stand for all of them. Knows the examiner's worlds, and
what V makes of their frames.
"""

from collections.abc import Iterator

import numpy as np

from WorldModels.assembly.evaluation.examiner import DRIVER, LANES, SEEDS, Examiner
from WorldModels.experiment.run import Run

GIF_SECONDS = (
    15  # of a dream's GIF, from its beginning: a whole long one would have few frames left
)


def film_games(run: Run, examiner: Examiner, scores: list[float], rule: str) -> list[dict]:
    """Film the test games that stand for all: the one nearest the median first, then from the worst
    to the best.

    Args:
        run: the open run.
        examiner: whose driver drives.
        scores: of all test games, under the `rule`.
        rule: named with each film.

    Returns:
        Of each film: track, seed, rule, score, why, files (in the iteration's folder).
    """
    from WorldModels.figures.scores import nearest_quantiles

    films = []
    for track in nearest_quantiles(scores, run.experiment.evaluate.video_tracks):
        why = "from the lowest score to the highest" if films else "the score nearest the median"
        files = _film_game(
            run, examiner, track, f"evaluation/{track:03}-" if films else "", not films
        )
        films.append(
            {
                "track": track,
                "seed": SEEDS["tracks"] + track,
                "rule": rule,
                "score": scores[track],
                "why": why,
                "files": files,
            }
        )
    return films


def _film_game(run: Run, examiner: Examiner, track: int, prefix: str, first: bool) -> list[str]:
    """Play a game once more: what a person sees, and what V makes of the frames that it sees, where
    those are pictures; give the
    files' names."""
    from WorldModels.assembly.opening import open_reconstruction
    from WorldModels.control.rollout import rollout
    from WorldModels.figures import videos

    lap_complete = run.experiment.env.lap_complete
    world = examiner.world(DRIVER, lap_complete)
    policy = examiner.policy(DRIVER, world.action_space.shape[0])
    episode = rollout(
        world, policy, SEEDS["tracks"] + track, examiner.env.max_steps, keep="episode"
    ).episode
    world.close()
    fps, names = (
        frames_a_second(world),
        [f"{prefix}{name}" for name in ("real.mp4", "reconstructed.mp4", "reconstructed.gif")],
    )
    real, rebuilt, gif = (run.path / name for name in names)
    if "rgb_array" not in world.metadata.get("render_modes", ()):
        run.say(
            "evaluate: the environment draws no pictures; real.mp4, reconstructed.mp4 and .gif are skipped."
        )
        return []
    videos.write_mp4(real, _seen_by_a_person(examiner.bare(lap_complete, "fast"), episode), fps)
    if episode.observations.ndim == 2:
        run.say(
            f"evaluate: V sees {episode.observations.shape[1]} numbers and no picture; reconstructed.mp4 and .gif are skipped."
        )
        return names[:1]
    clips = {
        "real": episode.observations,
        "reconstructed": open_reconstruction(run.path)(episode.observations),
    }
    videos.write_mp4(rebuilt, videos.side_by_side(clips), fps)
    videos.write_gif(gif, videos.side_by_side(clips, scale=3), fps)
    if run.experiment.evaluate.frames and first:
        names.append("evaluation/frames")
        videos.write_pngs(run.path / names[-1], videos.side_by_side(clips))
    return names


def frames_a_second(world) -> float:
    """How fast the game goes."""
    return world.metadata.get("render_fps", 50)


def _seen_by_a_person(world, episode) -> Iterator[np.ndarray]:
    """A game repeated in the bare world, with the picture that the environment renders for people."""
    from tqdm import tqdm

    world.reset(seed=episode.seed)
    yield world.render()
    for action in tqdm(episode.actions, unit="frame", desc="film"):
        world.step(action)
        yield world.render()
    world.close()


def film_dream(run: Run, examiner: Examiner, fps: float) -> dict | None:
    """Film the driver's dream whose return is nearest the median of the first ones: dream.mp4,
    dream.gif.

    Args:
        run: the open run.
        examiner: whose driver dreams.
        fps: of the game.

    Returns:
        dream (its number), seed, score, steps, temperature, files; None where V decodes no
        pictures.
    """
    if run.experiment.env.observation == "vector":
        return run.say("evaluate: V sees numbers and no picture; dream.mp4 and .gif are skipped.")
    from WorldModels.assembly.opening import open_decode
    from WorldModels.control.controller import Controller
    from WorldModels.figures import videos
    from WorldModels.figures.scores import nearest_quantiles

    size, seen = Controller.load(examiner.controllers[DRIVER])[0].latent_size, []
    numbers = range(
        min(LANES, run.experiment.evaluate.dreams)
    )  # dreamt once more, side by side as they were: so the same ones come
    watch = lambda features, alive: seen.append((features[:, :size].copy(), alive))  # noqa: E731
    returns, steps = examiner.dreams(DRIVER, numbers, SEEDS["dreams"], watch)
    (dream,) = nearest_quantiles(returns, 1)
    z = np.stack([latents[dream] for latents, alive in seen if alive[dream]])
    decode, temperature = open_decode(run.path), examiner.dream.how["temperature"]
    frames = np.concatenate(
        [videos.as_uint8(decode(z[i : i + 100])) for i in range(0, len(z), 100)]
    )
    clip = {f"dream, temperature {temperature:g}": frames}
    names = ["dream.mp4", "dream.gif"]
    videos.write_mp4(run.path / names[0], videos.side_by_side(clip, scale=6), fps)
    begin = {name: frames[: round(GIF_SECONDS * fps)] for name, frames in clip.items()}
    videos.write_gif(run.path / names[1], videos.side_by_side(begin, scale=3), fps)
    return {
        "dream": dream,
        "seed": SEEDS["dreams"] + dream,
        "score": float(returns[dream]),
        "steps": int(steps[dream]),
        "temperature": temperature,
        "files": names,
    }
