"""Any environment of Gymnasium, chosen by --env.id: presets that suppose nothing of the game."""

import importlib

from WorldModels.experiment.games.game import Game

FOR_EXAMPLE = "LunarLander-v3"  # where nothing names an environment
USUAL_LIMIT = 1000  # steps of an episode, where the environment sets no limit
ATARI = "ALE/"  # ids that the package ale_py registers when it is imported


def module_of(env_id: str) -> str:
    """The module whose import registers an environment; empty if Gymnasium knows it itself."""
    module, colon, name = env_id.rpartition(":")
    return module if colon else "ale_py" * name.startswith(ATARI)


def steps_of(env_id: str) -> int:
    """The steps after which an environment ends its episodes; USUAL_LIMIT if it does not say.

    One that cannot be found has the usual number too: whoever makes it says what is wrong.
    """
    import gymnasium

    try:
        if module := module_of(env_id):
            importlib.import_module(module)
        limit = gymnasium.spec(env_id.rpartition(":")[2]).max_episode_steps
    except (Exception, SystemExit):
        return USUAL_LIMIT
    return limit or USUAL_LIMIT


SMOKE = {
    "env": dict(max_steps=100),
    "record": dict(
        episodes=6,
        max_frames=60,
        min_frames=5,
        full_episode=False,
        held_out_share=0.2,
        policies="uniform:0.5,held_short:0.5",
    ),
    "vision": dict(
        encoder_filters=(8, 16, 16, 32),
        decoder_filters=(32, 16, 8),
        epochs=1,
        batch_size=32,
        learning_rate=1e-3,
        max_validation_frames=64,
    ),
    "memory": dict(
        lstm_size=32,
        batching="segments",
        batch_size=8,
        sequence_length=16,
        steps=8,
        learning_rate=2e-3,
        schedule="cosine",
        reward_head=True,
        terminated_head=True,
    ),
    "controller": dict(
        population_size=4,
        rollouts=1,
        latent="mean",
        generations=2,
        validation_every=1,
        validation_rollouts=2,
    ),
    "dream": dict(
        max_steps=60,
        population_size=4,
        rollouts=2,
        generations=2,
        validation_every=1,
        validation_rollouts=4,
    ),
    "evaluate": dict(
        tracks=2, baseline_tracks=2, baselines="uniform,stay", dreams=4, curve_games=1
    ),
}

LAPTOP = {
    "record": dict(
        episodes=400,
        max_frames=400,
        min_frames=5,
        full_episode=False,
        policies="uniform:0.4,held:0.3,held_short:0.3",
    ),
    "vision": dict(epochs=4, learning_rate=1e-3, schedule="cosine", final_learning_rate=5e-5),
    "memory": dict(
        batching="segments",
        batch_size=64,
        sequence_length=64,
        steps=800,
        learning_rate=2e-3,
        schedule="cosine",
        final_learning_rate=1e-4,
        reward_head=True,
        terminated_head=True,
    ),
    "controller": dict(
        population_size=32,
        rollouts=4,
        latent="mean",
        sigma_schedule="anneal",
        anneal_start=0.2,
        sigma_final=0.02,
        generations=0,
        steps=1_500_000,
        validation_every=10,
        validation_rollouts=64,
    ),
    "dream": dict(temperature=1.0, calibrate=True, generations=60, validation_every=10),
    "evaluate": dict(baselines="uniform,stay", baseline_tracks=100),
}

GAME = Game(
    id="",  # whichever --env.id names
    experiment="gymnasium",
    script="gymnasium",
    presets={"smoke": SMOKE, "laptop": LAPTOP},
)
