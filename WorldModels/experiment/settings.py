"""Every setting of an experiment as frozen dataclasses, one per noun, with meaning and unit beside each field.

The values that stand here are the paper's for CarRacing (section references: Ha & Schmidhuber 2018; code references:
hardmaru/WorldModelsExperiments, carracing/). Presets state how the smaller scales differ. This file knows no network and
no environment.
"""

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import tyro

# A budget may grow later without contradicting what lies in the results folder: a larger one continues.
BUDGET = {"kind": "budget"}
# A free setting never changes what an output means: how it is computed, shown or waited for.
FREE = {"kind": "free"}


def budget(default: Any) -> Any:
    """A field that bounds how much is done; changing it continues from what lies there."""
    return field(default=default, metadata=BUDGET)


def free(default: Any) -> Any:
    """A field that leaves the meaning of every output as it is."""
    return field(default=default, metadata=FREE)


def _positive(settings: Any, *names: str) -> None:
    for name in names:
        value = getattr(settings, name)
        if not (value > 0 and math.isfinite(value)):
            raise ValueError(f"{_flag(settings, name)}: expected a positive number, received {value}.")


def _within(settings: Any, name: str, low: float, high: float) -> None:
    value = getattr(settings, name)
    if not low <= value <= high:
        raise ValueError(f"{_flag(settings, name)}: expected a number from {low} to {high}, received {value}.")


def _flag(settings: Any, name: str) -> str:
    noun = type(settings).__name__.removesuffix("Settings").lower()
    return f"--{name}".replace("_", "-") if noun == "experiment" else f"--{noun}.{name}".replace("_", "-")


@dataclass(frozen=True)
class EnvSettings:
    """The environment as V sees it."""

    id: str = "CarRacing-v3"  # Gymnasium id
    # fast: our own picture; exact: the official one, bit for bit, drawn faster; official: Gymnasium's own. Test scores never use fast.
    renderer: Literal["fast", "exact", "official"] = "fast"
    lap_complete: Literal["0.95", "1.0"] = "0.95"  # share of tiles that ends a lap: CarRacing-v3's default, or v0's every tile
    frame_size: Literal[64, 96] = 64  # pixels: 64 = top 84 rows area-resized, 96 = the whole official frame
    max_steps: int = 1000  # steps after which an episode is truncated

    def __post_init__(self):
        _positive(self, "max_steps")


@dataclass(frozen=True)
class RecordSettings:
    """Episodes to record, and who drives in them (hardmaru extract.py)."""

    episodes: int = budget(10_000)  # episodes to have in the folder (paper: 10,000)
    max_frames: int = 1000  # longest episode, in frames acted upon
    min_frames: int = 100  # shorter episodes are redrawn
    full_episode: bool = True  # ignore terminations, so that every episode has max_frames (hardmaru extract.py)
    random_start: bool = False  # start on a random tile of the track, without the zoom-in
    line_start_every: int = 8  # with random_start: every n-th episode starts at the line all the same
    off_road_limit: int = 0  # cut an episode after this many steps off the road in a row (0: never)
    policies: str = "cauchy"  # who drives, as shares: "held:0.4,cauchy:0.3,brownian:0.3"; "controller" needs a trained one

    def __post_init__(self):
        _positive(self, "episodes", "max_frames", "min_frames", "line_start_every")
        _within(self, "off_road_limit", 0, 10**9)
        if self.min_frames > self.max_frames:
            raise ValueError(
                f"--record.min-frames: expected at most --record.max-frames ({self.max_frames}), received {self.min_frames}."
            )


@dataclass(frozen=True)
class VisionSettings:
    """V, the variational autoencoder, and its training (paper section A.1; hardmaru vae_train.py)."""

    kind: Literal["vae"] = "vae"  # network family
    latent_size: int = 32  # numbers in z
    encoder_filters: tuple[int, int, int, int] = (32, 64, 128, 256)  # channels of the encoder's convolutions
    decoder_filters: tuple[int, int, int] = (128, 64, 32)  # channels of the decoder's inner transposed convolutions
    kl_tolerance: float = 0.5  # nats per latent dimension that the KL term may cost freely
    epochs: int = budget(10)  # passes over the frames
    batch_size: int = 100  # frames a step
    learning_rate: float = 1e-4  # Adam
    schedule: Literal["constant", "cosine"] = "constant"  # of the learning rate over the whole budget
    final_learning_rate: float = 1e-4  # where the cosine ends
    warmup_steps: int = 0  # steps over which the learning rate rises from 0
    validation_share: float = 0.05  # share of the episodes held out
    max_validation_frames: int = 2000  # held-out frames that are scored after each epoch
    buffer_frames: int = free(60_000)  # frames of the shuffle buffer (12 kB each at 64x64)
    dtype: Literal["auto", "float32", "mixed_bfloat16"] = "auto"  # of training; auto: bfloat16 where the CPU has AVX512_BF16
    # how the same decoder weights are computed; auto: depth_to_space where the CPU has AVX512_BF16
    decoder_form: Literal["auto", "transpose", "depth_to_space"] = "auto"

    def __post_init__(self):
        _positive(self, "latent_size", "epochs", "batch_size", "learning_rate", "buffer_frames", "max_validation_frames")
        _positive(self, "final_learning_rate")
        _within(self, "kl_tolerance", 0.0, 1e6)
        _within(self, "warmup_steps", 0, 10**9)
        _within(self, "validation_share", 0.0, 0.9)


@dataclass(frozen=True)
class MemorySettings:
    """M, the MDN-RNN, and its training (paper section A.2; hardmaru rnn_train.py)."""

    kind: Literal["mdn_rnn"] = "mdn_rnn"  # network family
    lstm_size: int = 256  # units of the LSTM: the size of h and of c
    num_mixtures: int = 5  # Gaussians per latent dimension
    restart_input: bool = False  # feed a flag at the first step of an episode (hardmaru doomrnn)
    reward_head: bool = False  # predict the reward
    terminated_head: bool = False  # predict the end of the episode
    terminated_weight: float = 10.0  # weight of a positive terminated target (hardmaru doomrnn: restart_factor)
    batching: Literal["episodes", "streams", "segments"] = "episodes"  # whole episodes, chunks with carried state, random segments
    batch_size: int = 100  # sequences a step, or parallel streams
    sequence_length: int = 999  # steps of a chunk or segment; whole episodes are cut there
    steps: int = budget(4000)  # training steps, where epochs is 0
    epochs: int = budget(0)  # passes over the series; above 0 they count instead of steps
    learning_rate: float = 1e-3  # Adam
    schedule: Literal["constant", "cosine", "exponential"] = "exponential"  # of the learning rate
    decay: float = 1.0  # exponential: (rate - final) * decay^step + final (paper CarRacing: 1.0)
    final_learning_rate: float = 1e-5  # where cosine or exponential ends
    clip_value: float = 1.0  # gradients are clipped to +- this (0: not)
    clip_norm: float = 0.0  # global norm of the gradients is clipped to this (0: not)
    validation_share: float = 0.05  # share of the episodes held out
    dtype: Literal["auto", "float32", "mixed_bfloat16"] = "auto"  # of training; auto: bfloat16 where the CPU has AVX512_BF16

    def __post_init__(self):
        _positive(self, "lstm_size", "num_mixtures", "batch_size", "sequence_length", "learning_rate", "terminated_weight")
        _within(self, "steps", 0, 10**9)
        _within(self, "epochs", 0, 10**9)
        _within(self, "decay", 1e-9, 1.0)
        _within(self, "final_learning_rate", 0.0, 1.0)
        _within(self, "clip_value", 0.0, 1e9)
        _within(self, "clip_norm", 0.0, 1e9)
        _within(self, "validation_share", 0.0, 0.9)
        if self.steps == 0 and self.epochs == 0:
            raise ValueError("--memory.steps, --memory.epochs: expected one of them above 0, received 0 and 0.")


@dataclass(frozen=True)
class ControllerSettings:
    """C, the linear controller, and its evolution by CMA-ES (paper section A.4; hardmaru train.py)."""

    features: Literal["z", "zh", "zch"] = "zh"  # what C sees: V alone, with h, or with c and h
    num_hidden: int = 0  # units of a tanh hidden layer; 0: linear (paper: 40 for "V with a hidden layer")
    bias: bool = True  # add a bias to each action
    latent: Literal["mean", "sampled"] = "sampled"  # the z that C and M get, in training and in use
    optimizer: Literal["cma"] = "cma"  # evolution strategy
    population_size: int = 64  # candidates a generation
    rollouts: int = 16  # episodes per candidate
    late_rollouts: int = 0  # episodes per candidate once sigma anneals (0: as before)
    sigma: float = 0.1  # initial standard deviation of the search
    sigma_schedule: Literal["constant", "anneal"] = "constant"  # anneal: sigma falls geometrically late in the budget
    sigma_final: float = 0.03  # anneal: where sigma ends
    anneal_start: float = 0.4  # anneal: share of the budget after which sigma falls
    common_tracks: bool = True  # all candidates of a generation drive the same tracks
    hopeless_steps: int = 0  # training only: stop an episode after this many steps without a new tile (0: never)
    generations: int = budget(1800)  # 0: count steps
    steps: int = budget(0)  # training steps of the environment; 0: count generations
    validation_every: int = 25  # generations between two scores of the mean
    validation_rollouts: int = 1024  # episodes in such a score, on tracks never trained on
    keep_every: int = 25  # generations between two kept means
    target_return: float = budget(math.inf)  # stop once the mean's validation score reaches this
    generation: int = free(-1)  # the mean that record and evaluate use: -1 the best, else a kept generation

    def __post_init__(self):
        _positive(self, "rollouts", "sigma", "sigma_final", "validation_every", "validation_rollouts", "keep_every")
        _within(self, "population_size", 4, 10**6)
        _within(self, "num_hidden", 0, 10**6)
        _within(self, "late_rollouts", 0, 10**6)
        _within(self, "hopeless_steps", 0, 10**9)
        _within(self, "anneal_start", 0.0, 1.0)
        _within(self, "target_return", -math.inf, math.inf)
        _within(self, "generation", -1, 10**9)
        _within(self, "generations", 0, 10**9)
        _within(self, "steps", 0, 10**12)
        if self.generations == 0 and self.steps == 0:
            raise ValueError("--controller.generations, --controller.steps: expected one of them above 0, received 0 and 0.")


@dataclass(frozen=True)
class EvaluateSettings:
    """The test: tracks that chose nothing, in the official environment."""

    tracks: int = budget(100)  # test tracks
    baseline_tracks: int = budget(20)  # test tracks for the random policy beside it
    frames: bool = budget(False)  # also write every frame of the filmed episode as PNG
    video_tracks: int = budget(1)  # test tracks that are filmed

    def __post_init__(self):
        _positive(self, "tracks", "baseline_tracks", "video_tracks")


@dataclass(frozen=True)
class Experiment:
    """One experiment: its name, its scale, and the settings of each noun."""

    name: Annotated[str, tyro.conf.Positional] = "carracing"  # which experiment
    scale: Literal["smoke", "laptop", "paper"] = "laptop"  # which preset the flags start from
    seed: int = 0  # every random draw follows from it
    results: str = free("")  # folder of the run; default results/NAME, results/NAME-smoke, results/NAME-paper
    force: bool = free(False)  # make this verb's output anew
    reuse: str = free("")  # folder of another run, whose episodes, vision and series are taken where settings agree
    workers: int = free(0)  # worker processes; 0: one per core
    iteration: int = free(-1)  # which iteration's folder; -1: the latest
    env: EnvSettings = EnvSettings()
    record: RecordSettings = RecordSettings()
    vision: VisionSettings = VisionSettings()
    memory: MemorySettings = MemorySettings()
    controller: ControllerSettings = ControllerSettings()
    evaluate: EvaluateSettings = EvaluateSettings()

    def __post_init__(self):
        _within(self, "seed", 0, 2**31 - 1)
        _within(self, "workers", 0, 4096)
        _within(self, "iteration", -1, 10**6)


def split(settings: Any) -> tuple[dict, dict]:
    """A noun's settings as two plain dicts: those that an output's meaning depends on, and the budgets."""
    fixed, budgets = {}, {}
    for f in dataclasses.fields(settings):
        kind = f.metadata.get("kind")
        if kind is None:
            fixed[f.name] = plain(getattr(settings, f.name))
        elif kind == "budget":
            budgets[f.name] = plain(getattr(settings, f.name))
    return fixed, budgets


def plain(value: Any) -> Any:
    """A value as JSON gives it back: tuples become lists, dataclasses dicts."""
    if dataclasses.is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return list(value) if isinstance(value, tuple) else value
