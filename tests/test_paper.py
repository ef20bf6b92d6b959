"""The paper scale holds the published numbers: every field beside its source.

[P] = Ha & Schmidhuber 2018; otherwise the file of hardmaru/WorldModelsExperiments that has the
number, in carracing/ for CarRacing and in doomrnn/ for Take Cover. "ours": the original has no such
setting; the value gives the original's behaviour, has no effect, or is our choice.
"""

import dataclasses
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest

from WorldModels.experiment.fields import plain
from WorldModels.experiment.games.registry import GAMES
from WorldModels.experiment.presets import preset
from WorldModels.experiment.settings.experiment import Experiment
from WorldModels.memory.kinds import build_memory
from WorldModels.vision.kinds import build_vision

CARRACING = {
    "env": {
        "id": "CarRacing-v3",  # [P] CarRacing-v0; v3 is what Gymnasium ships of it
        "renderer": "fast",  # ours; the same physics
        "lap_complete": "0.95",  # v3's own rule; evaluate scores v0's beside it
        "observation": "frame",  # [P] A.1
        "frame_size": 64,  # [P] A.1
        "max_steps": 1000,  # the game's limit
        "kwargs": "{}",  # of environments that have no code here
    },
    "record": {
        "episodes": 10_000,  # [P] 10,000 rollouts
        "max_frames": 1000,  # extract.py
        "min_frames": 100,  # extract.py
        "full_episode": True,  # extract.py
        "random_start": False,
        "line_start_every": 8,  # no effect without random_start
        "off_road_limit": 0,
        "policies": "cauchy",  # extract.py: a random network with Cauchy weights
        "held_out_share": 0.05,  # the original holds out nothing; scores need some episodes
    },
    "vision": {
        "kind": "vae",
        "kernel_size": 5,  # from here to decoder_hidden_sizes: no effect on this kind
        "depth": 32,
        "normality_weight": 0.1,
        "generator_loss": "minimax",
        "hidden_sizes": [200, 200, 200],
        "decoder_hidden_sizes": [200, 200],
        "latent_size": 32,  # [P] A.1
        "encoder_filters": [32, 64, 128, 256],  # [P] figure 22
        "decoder_filters": [128, 64, 32],  # [P] figure 22
        "rare_weight": 0.0,  # ours; vae.py weights all pixels equally
        "median_start": False,  # vae.py starts at grey
        "kl_weight": 1.0,  # vae.py
        "kl_tolerance": 0.5,  # vae_train.py
        "patience": 0,  # ours; the original trains for all of its epochs
        "flip": False,  # ours
        "epochs": 10,  # vae_train.py
        "batch_size": 100,  # vae_train.py
        "learning_rate": 1e-4,  # vae_train.py
        "schedule": "constant",
        "final_learning_rate": 1e-4,  # no effect on a constant schedule
        "warmup_steps": 0,
        "max_validation_frames": 2000,
        "buffer_frames": 60_000,  # the original holds all frames in memory
        "weights": "float32",  # ours
        "dtype": "auto",
        "decoder_form": "auto",
    },
    "memory": {
        "kind": "mdn_rnn",
        "trade": "seed",  # no effect on this kind, like hidden_size to mmd_weight below
        "lstm_size": 256,  # [P] A.2
        "hidden_size": 256,
        "width": 32,
        "num_layers": 3,
        "num_heads": 8,
        "feed_forward": 2048,
        "dropout": 0.1,
        "optimizer": "adam",  # rnn.py
        "patience": 0,  # ours; the original trains for all of its steps
        "reward_target": "reward",  # ours; the original has no reward head
        "lstm_dropout": 0.0,  # rnn.py has none in what was published
        "window": 64,
        "mmd_weight": 0.1,
        "mixture": "independent",  # [P] A.2
        "num_mixtures": 5,  # [P] A.2
        "log_std_floor": "-inf",  # rnn.py has none
        "restart_input": False,
        "action_threshold": 0.0,  # ours; rnn.py takes actions unchanged
        "reward_head": False,  # rnn_train.py: only z is predicted
        "terminated_head": False,
        "terminated_weight": 10.0,  # doomrnn; no effect without the head
        "batching": "episodes",  # rnn_train.py
        "batch_size": 100,  # rnn_train.py
        "sequence_length": 999,  # rnn_train.py
        "steps": 4000,  # rnn_train.py
        "epochs": 0,
        "learning_rate": 1e-3,  # rnn.py
        "schedule": "exponential",
        "decay": 1.0,  # rnn.py decay_rate
        "beta_2": 0.999,  # Adam's default, which rnn.py keeps
        "warmup_steps": 0,
        "final_learning_rate": 1e-5,  # rnn.py min_learning_rate
        "clip_value": 1.0,  # rnn.py grad_clip
        "clip_norm": 0.0,
        "weights": "float32",  # ours
        "dtype": "auto",
    },
    "controller": {
        "world": "real",  # [P] section 3: CarRacing's controller never dreams
        "features": "zh",  # controller.py MODE_ZH
        "num_hidden": 0,
        "bias": True,
        "latent": "sampled",  # model.py
        "optimizer": "cma",  # train.py
        "population_size": 64,  # [P] A.4
        "rollouts": 16,  # [P] A.4
        "late_rollouts": 0,
        "sigma": 0.1,  # train.py sigma_init
        "sigma_schedule": "constant",
        "sigma_final": 0.03,  # no effect on a constant schedule
        "anneal_start": 0.4,
        "common_tracks": True,  # ours; the original draws seeds per member, in pairs
        "hopeless_steps": 0,
        "generations": 1800,  # [P] 1,800 generations
        "steps": 0,
        "covariance": "auto",  # full with the paper's 867 parameters
        "validation_every": 25,  # train.py eval_steps
        "validation_rollouts": 1024,  # [P] A.4
        "target_return": "inf",
        "generation": -1,
    },
    "dream": {  # no effect while the controller's world is real
        "temperature": 1.15,  # [P] table 2: of the best driver
        "reward": "head",
        "step_reward": 1.0,
        "termination": "threshold",
        "threshold": 0.5,
        "max_steps": 0,  # as long as the environment's
        "calibrate": False,  # ours, like judge to accept_gate
        "judge": "none",
        "patience": 0,
        "accept_gate": False,
        "population_size": 64,
        "rollouts": 16,
        "sigma": 0.1,
        "generations": 1800,
        "validation_every": 25,
        "validation_rollouts": 1024,
    },
    "iterate": {
        "controller_share": 0.5,
        "episodes": "all",
        "networks": "previous",
        "controller": "previous",
    },  # ours; [P] section 5
    "evaluate": {
        "seeds": "test",
        "tracks": 100,  # [P] 100 random tracks
        "baseline_tracks": 20,
        "baselines": "cauchy,straight",  # [P] has the first
        "dreams": 100,
        "curve_games": 20,
        "frames": False,
        "video_tracks": 1,
    },
}

# How Take Cover differs from CarRacing.
TAKECOVER = {
    "env": {
        "id": "TakeCover",  # [P] DoomTakeCover-v0
        "max_steps": 2100,  # doomrnn.py; [P] section 4: 60 seconds at 35 steps
    },
    "record": {
        "max_frames": 2100,  # extract.py MAX_FRAMES
        "full_episode": False,  # extract.py: death ends an episode
        "policies": "held_short",  # extract.py: a uniform action, held for 1 to 10 steps
    },
    "vision": {"latent_size": 64},  # [P] A.1
    "memory": {
        "lstm_size": 512,  # [P] A.2
        "restart_input": True,  # rnn.py: the flag is part of the input
        "terminated_head": True,  # [P] section 4: M also predicts death
        "terminated_weight": 10.0,  # rnn.py restart_factor
        "batching": "streams",  # rnn_train.py: state is carried from chunk to chunk
        "sequence_length": 500,  # rnn_train.py max_seq_len
        "steps": 0,
        "epochs": 400,  # rnn_train.py
        "decay": 0.99999,  # rnn.py decay_rate
    },
    "controller": {
        "world": "dream",  # [P] section 4
        "features": "zch",  # [P] A.3: z, c and h, 1,088 parameters
        "bias": False,  # model.py
    },
    "dream": {
        "temperature": 1.15,  # [P] table 2: of the best driver (doomrnn.py: 1.25)
        "reward": "constant",  # doomrnn.py: 1 a step
        "threshold": 0.5,  # doomrnn.py: logit above 0
        "population_size": 64,  # [P] A.4
        "rollouts": 16,  # [P] A.4
        "sigma": 0.1,  # train.py sigma_init
        "generations": 1800,  # where the log of the original run ends
        "validation_every": 25,  # train.py eval_steps
        "validation_rollouts": 1024,  # [P] A.4
    },
    "evaluate": {
        "baselines": "uniform,stay,left,right,sweep",  # ours, beside [P]'s random policy
        "baseline_tracks": 100,  # [P] table 2: 100 games
    },
}
PUBLISHED = {
    "carracing": CARRACING,
    "takecover": {noun: fields | TAKECOVER.get(noun, {}) for noun, fields in CARRACING.items()},
}
for own in ("renderer", "lap_complete"):  # only CarRacing has these
    del PUBLISHED["takecover"]["env"][own]


@pytest.mark.parametrize(
    ("name", "noun"), [(name, noun) for name in PUBLISHED for noun in CARRACING]
)
def test_every_field_of_the_paper_scale_is_the_published_one(name, noun):
    assert plain(getattr(preset(name, "paper"), noun)) == PUBLISHED[name][noun]


def test_no_group_of_settings_is_left_out():
    groups = {
        f.name
        for f in dataclasses.fields(Experiment)
        if dataclasses.is_dataclass(getattr(Experiment, f.name))
    }
    assert groups == set(CARRACING) and set(TAKECOVER) <= groups
    assert set(PUBLISHED) == {name for name in GAMES if "paper" in GAMES[name].presets}


def test_networks_at_paper_scale_have_as_many_parameters_as_published():
    """[P] A.1 to A.3 for Take Cover: 4,446,915, 1,678,785 with the restart flag, and 1,088."""
    paper = preset("takecover", "paper")
    memory = build_memory(paper.memory, paper.vision.latent_size, 1, seed=0)
    assert build_vision(paper.vision, (64, 64, 3), 0).count_params() == 4_446_915
    assert memory.count_params() == 1_678_785
    assert paper.controller.num_hidden == 0 and not paper.controller.bias
    assert (
        sum(x.shape[-1] for x in memory.hidden(memory.initial_state(1)).values())
        + memory.latent_size
        == 1_088
    )
