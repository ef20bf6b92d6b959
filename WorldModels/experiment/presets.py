"""Experiments by name and scale: each scale states only how it differs from the paper's numbers in
settings.py.
"""

import shlex
from dataclasses import replace

from WorldModels.experiment.settings import Experiment

# A run of everything in under two minutes: the scale of the tests.
SMOKE = {
    "env": dict(max_steps=300),
    "record": dict(
        episodes=6,
        max_frames=60,
        min_frames=20,
        full_episode=False,
        random_start=True,
        line_start_every=3,
        policies="held:0.4,cauchy:0.3,brownian:0.3",
    ),
    "vision": dict(
        epochs=1, batch_size=32, learning_rate=1e-3, validation_share=0.2, max_validation_frames=64
    ),
    "memory": dict(
        batching="segments",
        batch_size=8,
        sequence_length=32,
        steps=8,
        learning_rate=2e-3,
        schedule="cosine",
        reward_head=True,
        terminated_head=True,
        validation_share=0.2,
    ),
    "controller": dict(
        population_size=4,
        rollouts=1,
        latent="mean",
        generations=2,
        validation_every=1,
        validation_rollouts=2,
        keep_every=1,
        hopeless_steps=30,
    ),
    "dream": dict(
        max_steps=60,
        population_size=4,
        rollouts=2,
        generations=2,
        validation_every=1,
        validation_rollouts=4,
    ),
    "evaluate": dict(tracks=2, baseline_tracks=2, dreams=4, curve_games=1),
}

# A driver that visibly drives, in half an hour of two cores.
LAPTOP = {
    "record": dict(
        episodes=220,
        max_frames=250,
        min_frames=50,
        full_episode=False,
        random_start=True,
        off_road_limit=100,
        policies="held:0.41,cauchy:0.32,brownian:0.18,brownian_gas:0.09",
    ),
    "vision": dict(epochs=4, learning_rate=1e-3, schedule="cosine", final_learning_rate=5e-5),
    "memory": dict(
        batching="segments",
        batch_size=64,
        sequence_length=128,
        steps=300,
        learning_rate=2e-3,
        schedule="cosine",
        final_learning_rate=1e-4,
        reward_head=True,
        terminated_head=True,
    ),
    "controller": dict(
        population_size=32,
        rollouts=2,
        late_rollouts=1,
        latent="mean",
        sigma_schedule="anneal",
        anneal_start=0.2,
        sigma_final=0.02,
        hopeless_steps=80,
        generations=0,
        steps=2_400_000,
        validation_every=20,
        validation_rollouts=64,
        keep_every=10,
    ),
    "dream": dict(temperature=1.0, generations=60, validation_every=10, validation_rollouts=256),
}

# Doom Take Cover, at every scale (hardmaru/WorldModelsExperiments, doomrnn/): C lives wholly in the
# dream.
TAKECOVER = {
    "env": dict(id="TakeCover", max_steps=2100),
    "record": dict(max_frames=2100, full_episode=False, policies="held_short"),
    "vision": dict(latent_size=64),
    "memory": dict(
        lstm_size=512,
        restart_input=True,
        terminated_head=True,
        batching="streams",
        sequence_length=500,
        steps=0,
        epochs=400,
        decay=0.99999,
    ),
    "controller": dict(world="dream", features="zch", bias=False),
    "dream": dict(reward="constant"),
    "evaluate": dict(baselines="uniform,stay,left,right,sweep", baseline_tracks=100),
}

TAKECOVER_SMOKE = {
    "record": dict(episodes=6, max_frames=80, min_frames=20, policies="held_short:0.5,diverse:0.5"),
    "vision": dict(SMOKE["vision"], rare_weight=12.0, kl_weight=0.3),
    "memory": dict(
        lstm_size=64,
        restart_input=False,
        batch_size=4,
        sequence_length=32,
        steps=8,
        epochs=0,
        learning_rate=2e-3,
        schedule="cosine",
        action_threshold=1 / 3,
        clip_value=0.0,
        clip_norm=1.0,
        validation_share=0.2,
    ),
    "controller": dict(keep_every=1),
    "dream": dict(SMOKE["dream"]),
    "evaluate": dict(tracks=2, baseline_tracks=2, dreams=4, curve_games=1),
}

TAKECOVER_LAPTOP = {
    "record": dict(episodes=750, policies="held_short:0.4,diverse:0.6"),
    "vision": dict(
        epochs=2,
        learning_rate=1e-3,
        schedule="cosine",
        final_learning_rate=5e-5,
        warmup_steps=60,
        rare_weight=12.0,
        kl_weight=0.3,
    ),
    "memory": dict(
        lstm_size=256,
        restart_input=False,
        batch_size=64,
        sequence_length=64,
        steps=1200,
        epochs=0,
        learning_rate=1.5e-3,
        schedule="cosine",
        action_threshold=1 / 3,
        clip_value=0.0,
        clip_norm=1.0,
    ),
    "controller": dict(keep_every=10),
    "dream": dict(
        sigma=0.2, max_steps=1500, generations=70, validation_every=10, validation_rollouts=256
    ),
    "evaluate": dict(tracks=200),
}

SCALES = ("smoke", "laptop", "paper")

# The transformer of transformers-wm as it was trained, traintransformersde.py, whose parts are
# ctallec/world-models': there the rate
# halves when the loss no longer falls. It saw no more than 32 steps while it was trained.
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
# At laptop scale two wider layers of fewer units learn more in as many steps, and in half the time.
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

# What a kind of network needs to be otherwise than its noun's preset, by noun, kind and scale.
KINDS = {
    # WorldModels/gan.py of Rtlyc/world-models, which says nothing of epochs. At laptop scale half
    # as wide, and its kernels are a
    # multiple of their stride: others begin with a chequered pattern.
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
    # 02_train_vae.py of goodluckoguzie/WorldModels, whose loss has no KL term. With this weight
    # what varies by less than 0.02 of the
    # environment's own units is not told.
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

# Each experiment: how each scale differs from settings.py, one set of differences after another.
EXPERIMENTS = {
    "carracing": {"smoke": (SMOKE,), "laptop": (LAPTOP,), "paper": ()},
    "takecover": {
        "smoke": (TAKECOVER, TAKECOVER_SMOKE),
        "laptop": (TAKECOVER, TAKECOVER_LAPTOP),
        "paper": (TAKECOVER,),
    },
}

SCRIPTS = {"takecover": "wm_doom"}  # launch scripts that are not named as their experiment


def launch_script(experiment: str, *flags: str) -> str:
    """What to type to make a run of an experiment from nothing."""
    return shlex.join(
        ["bash", f"launch_scripts/{SCRIPTS.get(experiment, experiment)}.bash", *flags]
    )


def preset(name: str, scale: str, kinds: dict[str, str] | None = None) -> Experiment:
    """The settings of an experiment at a scale.

    Args:
        name: of the experiment.
        scale: one of SCALES.
        kinds: noun -> kind of network, where it is not the preset's own; trade:paper where
            --memory.trade says so.

    Raises:
        ValueError: no such experiment or scale; the message lists those that there are.
    """
    if name not in EXPERIMENTS:
        raise ValueError(
            f"experiment: expected one of {', '.join(EXPERIMENTS)}, received {name!r}."
        )
    if scale not in SCALES:
        raise ValueError(f"--scale: expected one of {', '.join(SCALES)}, received {scale!r}.")
    experiment = Experiment(name=name, scale=scale)
    of_kinds = {
        noun: KINDS.get((noun, kind), {}).get(scale, {}) for noun, kind in (kinds or {}).items()
    }
    for differences in (*EXPERIMENTS[name][scale], of_kinds):
        nouns = {
            noun: replace(getattr(experiment, noun), **changes)
            for noun, changes in differences.items()
        }
        experiment = replace(experiment, **nouns)
    return experiment
