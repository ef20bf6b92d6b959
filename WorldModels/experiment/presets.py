"""Presets by name and scale: each states how it differs from the numbers in settings/.

A game's presets are in its own file in games/, those of a kind of network here.
"""

import shlex
from dataclasses import fields, replace
from typing import Any

from WorldModels.experiment.games.game import Game
from WorldModels.experiment.games.gymnasium import FOR_EXAMPLE, steps_of
from WorldModels.experiment.games.registry import GAMES, game_of
from WorldModels.experiment.settings.env import EnvSettings
from WorldModels.experiment.settings.experiment import Experiment
from WorldModels.experiment.settings.vision import VisionSettings

SCALES = ("smoke", "laptop", "night", "paper")

# The transformer of transformers-wm as its traintransformersde.py trains it, with parts of
# ctallec/world-models: there the rate halves when the loss stops falling. In training it saw at
# most 32 steps.
PUBLISHED_TRANSFORMER = dict(
    window=32,
    restart_input=False,
    mixture="joint",
    reward_head=True,
    terminated_head=True,
    terminated_weight=1.0,
    batching="segments",
    batch_size=16,
    sequence_length=32,
    steps=0,
    epochs=40,
    learning_rate=1e-4,
    schedule="constant",
    beta_2=0.98,
    clip_value=0.0,
)
# At laptop scale two wider layers with fewer inner units learn more in as many steps, in half the
# time.
TRANSFORMER = {
    "paper": PUBLISHED_TRANSFORMER,
    "laptop": dict(
        width=64,
        num_layers=2,
        feed_forward=512,
        window=32,
        dropout=0.0,
        learning_rate=2e-3,
        warmup_steps=50,
        beta_2=0.98,
    ),
}

VAE_GAN_LAPTOP = dict(
    depth=16,
    kernel_size=4,
    epochs=2,
    learning_rate=2e-4,
    schedule="cosine",
    final_learning_rate=1e-5,
)

# What every game has at a scale, unless its own presets say otherwise.
# z is drawn with V's noise, so M never knows it better than that. The log standard deviation of a
# latent in use is well above -6: there its KL would be 5.5 nats or more (vision/vae.py,
# frame_losses), while a V spends about 33 on all of its 64 latents (Take Cover).
FLOOR = {"memory": dict(log_std_floor=-6.0)}
EVERY_GAME: dict[str, dict] = {"smoke": FLOOR, "laptop": FLOOR, "night": FLOOR, "paper": {}}

# How the preset of a kind of network differs from its noun's, by noun, kind and scale.
KINDS = {
    # WorldModels/gan.py of Rtlyc/world-models, which does not give the epochs. At laptop scale it
    # is half as wide, and its kernel size is a multiple of the stride: other sizes start out with a
    # checkerboard pattern.
    ("vision", "vae_gan"): {
        scale: dict(
            latent_size=512,
            batch_size=32,
            learning_rate=1e-4,
            schedule="constant",
            warmup_steps=0,
            kl_weight=0.01,
            kl_tolerance=0.0,
            rare_weight=0.0,
        )
        | how
        for scale, how in {
            "smoke": dict(latent_size=16, depth=4),
            "laptop": VAE_GAN_LAPTOP,
            "paper": {},
        }.items()
    },
    # 02_train_vae.py of goodluckoguzie/WorldModels, whose loss has no KL term. With this weight z
    # does not encode what varies by less than 0.02 in the environment's own units.
    ("vision", "dense"): {
        scale: dict(
            latent_size=31, batch_size=64, kl_weight=1e-3, kl_tolerance=0.0, rare_weight=0.0, **how
        )
        for scale, how in {"smoke": dict(epochs=10), "laptop": dict(epochs=20), "paper": {}}.items()
    },
    ("memory", "transformer"): TRANSFORMER,
    ("memory", "trade"): TRANSFORMER,
    ("memory", "trade:paper"): {
        **TRANSFORMER,
        "paper": {**PUBLISHED_TRANSFORMER, "mixture": "independent"},
    },
}


def launch_script(experiment: str, *flags: str) -> str:
    """The command that makes a run of an experiment from scratch."""
    return shlex.join(["bash", f"launch_scripts/{GAMES[experiment].script}.bash", *flags])


def preset(
    name: str, scale: str, kinds: dict[str, str] | None = None, env_id: str = ""
) -> Experiment:
    """The settings of an experiment at a scale.

    Args:
        name: the experiment's name.
        scale: one of SCALES.
        kinds: noun -> kind of network, if it is not the preset's own; trade:paper for
            --memory.trade paper.
        env_id: the environment's id, if it is not the experiment's own: V gets the settings that
            its pictures need, but the environment stays the experiment's.

    Raises:
        ValueError: no such experiment or scale; the message lists the known ones.
    """
    if name not in GAMES:
        raise ValueError(f"experiment: expected one of {', '.join(GAMES)}, received {name!r}.")
    if scale not in SCALES:
        raise ValueError(f"--scale: expected one of {', '.join(SCALES)}, received {scale!r}.")
    game = GAMES[name]
    if scale not in game.presets:
        raise ValueError(
            f"--scale: expected one of {', '.join(game.presets)} for {name}, received {scale!r}."
        )
    experiment = Experiment(name=name, scale=scale, env=_env(game, env_id))
    of_kinds = {noun: _of_kind(noun, kind, scale) for noun, kind in (kinds or {}).items()}
    for differences in (EVERY_GAME[scale], *_of_games(game, scale, kinds or {}, env_id), of_kinds):
        nouns = {
            noun: replace(getattr(experiment, noun), **how) for noun, how in differences.items()
        }
        experiment = replace(experiment, **nouns)
    return experiment


def _env(game: Game, env_id: str) -> EnvSettings:
    """The settings of an experiment's environment; of any that --env.id names, its own limit."""
    if game.id:
        return game.env_settings(id=game.id)
    return game.env_settings(id=env_id or FOR_EXAMPLE, max_steps=steps_of(env_id or FOR_EXAMPLE))


def _of_kind(noun: str, kind: str, scale: str) -> dict[str, Any]:
    """What a kind of network changes at a scale; a kind without a night has its laptop's."""
    scales = KINDS.get((noun, kind), {})
    return scales.get(scale, scales.get("laptop", {}) if scale == "night" else {})


def _of_games(game: Game, scale: str, kinds: dict[str, str], env_id: str) -> list[dict]:
    """The presets of the experiment's game, and what V needs for the environment's pictures."""
    presets = game.presets[scale]
    kind = kinds.get("vision") or presets.get("vision", {}).get("kind", VisionSettings.kind)
    if scale == "paper" or kind != "vae":  # the other kinds weigh all pixels alike
        return [presets]
    if env_id in ("", game.id):
        return [{"vision": game.vision}, presets]
    return [presets, {"vision": game_of(env_id).vision}]


def env_of(env_id: str, like: EnvSettings, **values: Any) -> EnvSettings:
    """The settings of another environment: its game's own class, keeping the values both have.

    Args:
        env_id: the environment's id.
        like: settings whose values are kept if the other class has fields of the same names.
        values: field -> value; fields that the class lacks are ignored.
    """
    kind = game_of(env_id).env_settings
    names = {each.name for each in fields(kind)}
    kept = {each.name: getattr(like, each.name) for each in fields(like) if each.name in names}
    own = {name: value for name, value in values.items() if name in names}
    return kind(**{**kept, **own, "id": env_id})
