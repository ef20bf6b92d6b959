"""Doom's Take Cover: its facts, and its presets by scale. C is evolved only in the dream."""

from WorldModels.experiment.games.game import Action, Game, over

# Holds at every scale (hardmaru/WorldModelsExperiments, doomrnn/).
PAPER = {
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

SMOKE = {
    "env": dict(max_steps=200),
    "record": dict(
        episodes=6,
        max_frames=80,
        min_frames=20,
        policies="held_short:0.5,diverse:0.5",
        held_out_share=0.2,
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

LAPTOP = {
    "record": dict(episodes=750, policies="held_short:0.4,diverse:0.6"),
    "vision": dict(
        epochs=2,
        learning_rate=1e-3,
        schedule="cosine",
        final_learning_rate=5e-5,
        warmup_steps=60,
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
    "dream": dict(
        calibrate=True, sigma=0.2, generations=30, validation_every=10, validation_rollouts=256
    ),
    "evaluate": dict(tracks=200),
}


# A draft: three to six hours by `estimate` on two cores with AVX512_BF16.
NIGHT = over(
    LAPTOP,
    {
        "record": dict(episodes=3000),
        "vision": dict(epochs=8, weights="float16"),
        "memory": dict(lstm_size=512, steps=20_000, weights="float16"),
        "dream": dict(generations=500, validation_every=20, validation_rollouts=1024),
    },
)

GAME = Game(
    id="TakeCover",
    experiment="takecover",
    script="wm_doom",
    actions=(Action("move"),),
    fps=35,
    solved=750,
    published="takecover",
    presets={
        "smoke": over(PAPER, SMOKE),
        "laptop": over(PAPER, LAPTOP),
        "night": over(PAPER, NIGHT),
        "paper": PAPER,
    },
    vision={"rare_weight": 12.0, "kl_weight": 0.3},  # fireballs
    driven_steps=700,
)
