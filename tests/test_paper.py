"""The paper scale holds the published numbers: every field beside its source.

[P] = Ha & Schmidhuber 2018; otherwise the file of hardmaru/WorldModelsExperiments, folder carracing/, that has the number.
"""

import math

import pytest

from WorldModels.experiment.fields import plain
from WorldModels.experiment.presets import preset

PUBLISHED = {
    "env": {
        "id": "CarRacing-v3",  # [P] CarRacing-v0; v3 is what Gymnasium ships of it
        "renderer": "fast",  # ours; the same physics
        "lap_complete": "0.95",  # v3's own rule; evaluate scores v0's beside it
        "frame_size": 64,  # [P] A.1
        "max_steps": 1000,  # the game's limit
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
    },
    "vision": {
        "kind": "vae",
        "latent_size": 32,  # [P] A.1
        "encoder_filters": [32, 64, 128, 256],  # [P] figure 22
        "decoder_filters": [128, 64, 32],  # [P] figure 22
        "kl_tolerance": 0.5,  # vae_train.py
        "epochs": 10,  # vae_train.py
        "batch_size": 100,  # vae_train.py
        "learning_rate": 1e-4,  # vae_train.py
        "schedule": "constant",
        "final_learning_rate": 1e-4,  # no effect on a constant schedule
        "warmup_steps": 0,
        "validation_share": 0.05,  # the original holds out nothing; scores need some
        "max_validation_frames": 2000,
        "buffer_frames": 60_000,  # the original holds all in memory
        "dtype": "auto",
        "decoder_form": "auto",
    },
    "memory": {
        "kind": "mdn_rnn",
        "lstm_size": 256,  # [P] A.2
        "num_mixtures": 5,  # [P] A.2
        "restart_input": False,
        "reward_head": False,  # rnn_train.py: z alone is predicted
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
        "final_learning_rate": 1e-5,  # rnn.py min_learning_rate
        "clip_value": 1.0,  # rnn.py grad_clip
        "clip_norm": 0.0,
        "validation_share": 0.05,
        "dtype": "auto",
    },
    "controller": {
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
        "validation_every": 25,  # train.py eval_steps
        "validation_rollouts": 1024,  # [P] A.4
        "keep_every": 25,
        "target_return": math.inf,
        "generation": -1,
    },
    "evaluate": {"tracks": 100, "baseline_tracks": 20, "frames": False, "video_tracks": 1},  # [P] 100 random tracks
}


@pytest.mark.parametrize("noun", PUBLISHED)
def test_every_field_of_the_paper_scale_is_the_published_one(noun):
    assert plain(getattr(preset("carracing", "paper"), noun)) == PUBLISHED[noun]
