"""Experiments by name and scale: each scale states only how it differs from the paper's numbers in settings.py."""

from dataclasses import replace

from WorldModels.experiment.settings import Experiment

# A run of everything in under two minutes: the scale of the tests.
SMOKE = {
    "record": dict(episodes=6, max_frames=60, min_frames=20, full_episode=False, random_start=True, line_start_every=3,
                   policies="held:0.4,cauchy:0.3,brownian:0.3"),
    "vision": dict(epochs=1, batch_size=32, learning_rate=1e-3, validation_share=0.2, max_validation_frames=64),
    "memory": dict(batching="segments", batch_size=8, sequence_length=32, steps=8, learning_rate=2e-3, schedule="cosine",
                   reward_head=True, terminated_head=True, validation_share=0.2),
    "controller": dict(population_size=4, rollouts=1, latent="mean", generations=2, validation_every=1,
                       validation_rollouts=2, keep_every=1, hopeless_steps=30),
    "evaluate": dict(tracks=2, baseline_tracks=2),
}  # fmt: skip

# A driver that visibly drives, in half an hour of two cores.
LAPTOP = {
    "record": dict(episodes=220, max_frames=250, min_frames=50, full_episode=False, random_start=True, off_road_limit=100,
                   policies="held:0.41,cauchy:0.32,brownian:0.18,brownian_gas:0.09"),
    "vision": dict(epochs=4, learning_rate=1e-3, schedule="cosine", final_learning_rate=5e-5),
    "memory": dict(batching="segments", batch_size=64, sequence_length=128, steps=300, learning_rate=2e-3, schedule="cosine",
                   final_learning_rate=1e-4, reward_head=True, terminated_head=True),
    "controller": dict(population_size=32, rollouts=2, late_rollouts=1, latent="mean", sigma_schedule="anneal", anneal_start=0.2,
                       sigma_final=0.02, hopeless_steps=80, generations=0, steps=2_400_000, validation_every=20,
                       validation_rollouts=64, keep_every=10),
}  # fmt: skip

SCALES = {"smoke": SMOKE, "laptop": LAPTOP, "paper": {}}

# Each experiment: how it differs from CarRacing, at every scale.
EXPERIMENTS = {"carracing": {}}


def preset(name: str, scale: str) -> Experiment:
    """The settings of an experiment at a scale.

    Raises:
        ValueError: no such experiment or scale; the message lists those that there are.
    """
    if name not in EXPERIMENTS:
        raise ValueError(f"experiment: expected one of {', '.join(EXPERIMENTS)}, received {name!r}.")
    if scale not in SCALES:
        raise ValueError(f"--scale: expected one of {', '.join(SCALES)}, received {scale!r}.")
    experiment = Experiment(name=name, scale=scale)
    for differences in (EXPERIMENTS[name], SCALES[scale]):
        nouns = {noun: replace(getattr(experiment, noun), **changes) for noun, changes in differences.items()}
        experiment = replace(experiment, **nouns)
    return experiment
