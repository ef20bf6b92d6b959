"""CarRacing: its facts, its own settings, and its presets by scale."""

from dataclasses import dataclass
from typing import Literal

from WorldModels.experiment.fields import recipe
from WorldModels.experiment.games.game import Action, Game, over
from WorldModels.experiment.settings.env import EnvSettings

BRAKE = 0.8  # how hard a key brakes (gymnasium's CarRacing, hardmaru/WorldModelsExperiments)


@dataclass(frozen=True)
class CarRacingSettings(EnvSettings):
    """The environment as V sees it, how CarRacing is drawn, and when a lap ends."""

    # fast: our own picture; exact: the official one, bit for bit, drawn faster; official:
    # Gymnasium's own. Test scores never use fast.
    renderer: Literal["fast", "exact", "official"] = recipe("fast")
    # share of the tiles that completes a lap: 0.95 as in CarRacing-v3, 1.0 as in v0
    lap_complete: Literal["0.95", "1.0"] = recipe("0.95")

    @property
    def rule(self) -> str:
        """The name of the rule that counts a return: a key of Game.rules."""
        return f"lap rule {self.lap_complete}"


# Everything once, in under two minutes: the scale of the tests.
SMOKE = {
    "env": dict(max_steps=100),
    "record": dict(
        episodes=6,
        max_frames=60,
        min_frames=20,
        full_episode=False,
        random_start=True,
        line_start_every=3,
        held_out_share=0.2,
        policies="held:0.4,cauchy:0.3,brownian:0.3",
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
        sequence_length=32,
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

# A driver that visibly drives, in half an hour on two cores.
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
    ),
    "dream": dict(
        temperature=1.0,
        calibrate=True,
        generations=60,
        validation_every=10,
        validation_rollouts=256,
    ),
}

# A draft: four hours by `estimate` on two cores with AVX512_BF16, three of them for the search.
NIGHT = over(
    LAPTOP,
    {
        "record": dict(episodes=1000),
        "vision": dict(epochs=10, weights="float16"),
        "memory": dict(steps=3000, weights="float16"),
        "controller": dict(
            population_size=64,
            late_rollouts=2,
            steps=40_000_000,
            validation_every=50,
            validation_rollouts=128,
        ),
        "dream": dict(generations=300, validation_rollouts=1024),
    },
)

GAME = Game(
    id="CarRacing-v3",
    experiment="carracing",
    script="carracing",
    actions=(Action("steer"), Action("gas", "gas"), Action("brake", "brake")),
    rest=(0.0, -1.0, 0.0),
    keys={"left": (0, -1.0), "right": (0, 1.0), "up": (1, 2.0), "down": (2, BRAKE)},
    fps=50,
    solved=900,
    rules={"lap rule 0.95": "_095", "lap rule 1.0": "_100"},  # v3's, and v0's, as in the paper
    has_laps=True,
    has_road=True,
    noun="track",
    published="carracing",
    env_settings=CarRacingSettings,
    as_scored={"renderer": "exact", "lap_complete": "1.0"},  # one drive gives both scores
    as_filmed={"renderer": "exact"},
    as_shown={"renderer": "fast"},
    presets={"smoke": SMOKE, "laptop": LAPTOP, "night": NIGHT, "paper": {}},
    vision={},  # what drives well so far: no pixel weighs more
    stopped_share=0.75,  # a fifth at first, nine tenths at the end of a search at laptop scale
)
