"""The settings of V, M and C as frozen dataclasses; the values are the paper's for CarRacing, see
settings.py.
"""

import math
from dataclasses import dataclass
from typing import Literal

from WorldModels.experiment.fields import budget, free, positive, within


@dataclass(frozen=True)
class VisionSettings:
    """V and its training (paper section A.1; hardmaru vae_train.py)."""

    kind: Literal["vae", "vae_gan", "dense"] = (
        "vae"  # network family; dense: for environments without pictures
    )
    latent_size: int = 32  # numbers in z
    encoder_filters: tuple[int, int, int, int] = (
        32,
        64,
        128,
        256,
    )  # channels of the encoder's convolutions
    decoder_filters: tuple[int, int, int] = (
        128,
        64,
        32,
    )  # channels of the decoder's inner transposed convolutions
    kernel_size: int = 5  # vae_gan: of its convolutions
    depth: int = 32  # vae_gan: channels of its generator's last layer; the others are multiples
    normality_weight: float = (
        0.1  # vae_gan: of the term that holds the latents of a batch to mean 0 and variance 1
    )
    generator_loss: Literal["minimax", "non_saturating"] = (
        "minimax"  # vae_gan: minus the discriminator's loss, or -log D(fake)
    )
    hidden_sizes: tuple[int, ...] = (
        200,
        200,
        200,
    )  # dense: units of the hidden layers of its encoder
    decoder_hidden_sizes: tuple[int, ...] = (200, 200)  # dense: and of its decoder
    rare_weight: float = 0.0  # pixels weigh 1 + this * squared distance from the median frame: so small things are seen (0: all equal)
    kl_weight: float = 1.0  # of the KL term in the loss
    kl_tolerance: float = 0.5  # nats per latent dimension that the KL term may cost freely
    epochs: int = budget(10)  # passes over the frames
    batch_size: int = 100  # frames a step
    learning_rate: float = 1e-4  # Adam
    schedule: Literal["constant", "cosine"] = (
        "constant"  # of the learning rate over the whole budget
    )
    final_learning_rate: float = 1e-4  # where the cosine ends
    warmup_steps: int = 0  # steps over which the learning rate rises from 0
    validation_share: float = 0.05  # share of the episodes held out
    max_validation_frames: int = 2000  # held-out frames that are scored after each epoch
    buffer_frames: int = free(
        60_000
    )  # frames of the shuffle buffer (12 kB each at 64x64, 28 kB at 96x96)
    dtype: Literal["auto", "float32", "mixed_bfloat16"] = (
        "auto"  # of training; auto: bfloat16 where the CPU has AVX512_BF16
    )
    # how the same decoder weights are computed; auto: depth_to_space where the CPU has AVX512_BF16
    decoder_form: Literal["auto", "transpose", "depth_to_space"] = "auto"

    def __post_init__(self):
        positive(
            self,
            "latent_size",
            "epochs",
            "batch_size",
            "learning_rate",
            "buffer_frames",
            "max_validation_frames",
        )
        positive(self, "final_learning_rate", "kernel_size", "depth")
        within(self, "normality_weight", 0.0, 1e6)
        within(self, "kl_tolerance", 0.0, 1e6)
        within(self, "kl_weight", 0.0, 1e6)
        within(self, "rare_weight", 0.0, 1e6)
        within(self, "warmup_steps", 0, 10**9)
        within(self, "validation_share", 0.0, 0.9)
        if self.kind != "vae" and self.rare_weight > 0:
            raise ValueError(
                f"--vision.rare-weight: expected 0 beside --vision.kind {self.kind}, which weighs no pixels, received "
                f"{self.rare_weight}."
            )


@dataclass(frozen=True)
class MemorySettings:
    """M and its training (paper section A.2; hardmaru rnn_train.py)."""

    kind: Literal["mdn_rnn", "transformer", "trade"] = "mdn_rnn"  # network family
    trade: Literal["seed", "paper"] = (
        "seed"  # trade: a GRU in place of the positions; or latents one dimension after the other
    )
    lstm_size: int = 256  # mdn_rnn: units of the LSTM, the size of h and of c
    hidden_size: int = 256  # transformer, trade: numbers in h
    width: int = 32  # transformer, trade: numbers in a token
    num_layers: int = 3  # transformer, trade: layers
    num_heads: int = 8  # transformer, trade: heads of each layer
    feed_forward: int = 2048  # transformer, trade: units within each layer
    dropout: float = 0.1  # transformer, trade: share of activations that training drops
    window: int = 64  # transformer, trade: steps that each layer sees, the present one included
    mmd_weight: float = (
        0.1  # trade paper: of the maximum mean discrepancy between what is drawn and what was seen
    )
    num_mixtures: int = 5  # Gaussians in a mixture
    mixture: Literal["independent", "joint"] = (
        "independent"  # a mixture for each latent dimension (paper), or one over whole latents
    )
    restart_input: bool = (
        False  # mdn_rnn: feed a flag at the first step of an episode (hardmaru doomrnn)
    )
    action_threshold: float = (
        0.0  # M sees actions as -1, 0 or 1, by this threshold (0: as they are)
    )
    reward_head: bool = False  # predict the reward
    terminated_head: bool = False  # predict the end of the episode
    terminated_weight: float = (
        10.0  # weight of a positive terminated target (hardmaru doomrnn: restart_factor)
    )
    batching: Literal["episodes", "streams", "segments"] = (
        "episodes"  # whole episodes, chunks with carried state, random segments
    )
    batch_size: int = 100  # sequences a step, or parallel streams
    sequence_length: int = 999  # steps of a chunk or segment; whole episodes are cut there
    steps: int = budget(4000)  # training steps, where epochs is 0
    epochs: int = budget(0)  # passes over the series; above 0 they count instead of steps
    learning_rate: float = 1e-3  # Adam
    schedule: Literal["constant", "cosine", "exponential"] = "exponential"  # of the learning rate
    decay: float = 1.0  # exponential: (rate - final) * decay^step + final (paper CarRacing: 1.0)
    final_learning_rate: float = 1e-5  # where cosine or exponential ends
    beta_2: float = 0.999  # Adam's, of the mean square of the gradients
    warmup_steps: int = 0  # steps over which the learning rate rises from 0
    clip_value: float = 1.0  # gradients are clipped to +- this (0: not)
    clip_norm: float = 0.0  # global norm of the gradients is clipped to this (0: not)
    validation_share: float = 0.05  # share of the episodes held out
    dtype: Literal["auto", "float32", "mixed_bfloat16"] = (
        "auto"  # of training; auto: bfloat16 where the CPU has AVX512_BF16
    )

    def __post_init__(self):
        positive(
            self,
            "lstm_size",
            "num_mixtures",
            "batch_size",
            "sequence_length",
            "learning_rate",
            "terminated_weight",
        )
        positive(self, "hidden_size", "width", "num_layers", "num_heads", "feed_forward", "window")
        if self.width % self.num_heads or self.width % 2:
            raise ValueError(
                f"--memory.width: expected an even multiple of --memory.num-heads ({self.num_heads}), received {self.width}."
            )
        within(self, "dropout", 0.0, 0.9)
        within(self, "mmd_weight", 0.0, 1e6)
        within(self, "steps", 0, 10**9)
        within(self, "epochs", 0, 10**9)
        within(self, "decay", 1e-9, 1.0)
        within(self, "beta_2", 0.0, 0.999999)
        within(self, "warmup_steps", 0, 10**9)
        within(self, "action_threshold", 0.0, 1.0)
        within(self, "final_learning_rate", 0.0, 1.0)
        within(self, "clip_value", 0.0, 1e9)
        within(self, "clip_norm", 0.0, 1e9)
        within(self, "validation_share", 0.0, 0.9)
        if self.kind == "trade" and self.trade == "paper" and self.mixture != "independent":
            raise ValueError(
                f"--memory.mixture: --memory.trade paper expected independent, received {self.mixture}; its dimensions depend "
                "on each other as it is."
            )
        if self.kind != "mdn_rnn" and self.restart_input:
            raise ValueError(
                f"--memory.restart-input: expected none beside --memory.kind {self.kind}, which begins every episode with "
                "nothing to remember, received it."
            )
        if self.steps == 0 and self.epochs == 0:
            raise ValueError(
                "--memory.steps, --memory.epochs: expected one of them above 0, received 0 and 0."
            )

    @property
    def h_size(self) -> int:
        """Numbers in h."""
        return self.lstm_size if self.kind == "mdn_rnn" else self.hidden_size

    @property
    def has_c(self) -> bool:
        """Whether this kind has a c beside h, which controller.features zch needs."""
        return self.kind == "mdn_rnn"

    @property
    def preset_kind(self) -> str:
        """The kind as presets tell kinds apart: TraDE's two forms are two."""
        return "trade:paper" if (self.kind, self.trade) == ("trade", "paper") else self.kind


@dataclass(frozen=True)
class ControllerSettings:
    """C, the linear controller, and its evolution, by CMA-ES where nothing else is said (paper
    section A.4; hardmaru train.py).
    """

    world: Literal["real", "dream", "mixed"] = (
        "real"  # where C evolves; mixed: in the dream, and then on in the real world
    )
    features: Literal["z", "zh", "zch"] = "zh"  # what C sees: V alone, with h, or with c and h
    num_hidden: int = (
        0  # units of a tanh hidden layer; 0: linear (paper: 40 for "V with a hidden layer")
    )
    bias: bool = True  # add a bias to each action
    latent: Literal["mean", "sampled"] = (
        "sampled"  # the z that C and M get, in training and in use; after a dream always sampled
    )
    # evolution strategy (hardmaru es.py); ses: pepg whose mean moves to the best tenth, ga: a
    # genetic algorithm
    optimizer: Literal["cma", "openes", "pepg", "ses", "ga"] = "cma"
    population_size: int = 64  # candidates a generation
    rollouts: int = 16  # episodes per candidate
    late_rollouts: int = 0  # episodes per candidate once sigma anneals (0: as before)
    sigma: float = 0.1  # initial standard deviation of the search
    sigma_schedule: Literal["constant", "anneal"] = (
        "constant"  # anneal: sigma falls geometrically late in the budget
    )
    sigma_final: float = 0.03  # anneal: where sigma ends
    anneal_start: float = 0.4  # anneal: share of the budget after which sigma falls
    common_tracks: bool = True  # all candidates of a generation drive the same tracks
    hopeless_steps: int = (
        0  # training only: stop an episode after this many steps without a new tile (0: never)
    )
    generations: int = budget(1800)  # 0: count steps
    steps: int = budget(0)  # training steps of the environment; 0: count generations
    validation_every: int = 25  # generations between two scores of the mean
    validation_rollouts: int = 1024  # episodes in such a score, on tracks never trained on
    keep_every: int = 25  # generations between two kept means
    target_return: float = budget(math.inf)  # stop once the mean's validation score reaches this
    generation: int = free(
        -1
    )  # the mean that record and evaluate use: -1 the best, else a kept generation

    def __post_init__(self):
        positive(
            self,
            "rollouts",
            "sigma",
            "sigma_final",
            "validation_every",
            "validation_rollouts",
            "keep_every",
        )
        within(self, "population_size", 4, 10**6)
        within(self, "num_hidden", 0, 10**6)
        within(self, "late_rollouts", 0, 10**6)
        within(self, "hopeless_steps", 0, 10**9)
        within(self, "anneal_start", 0.0, 1.0)
        within(self, "target_return", -math.inf, math.inf)
        within(self, "generation", -1, 10**9)
        within(self, "generations", 0, 10**9)
        within(self, "steps", 0, 10**12)
        if self.generations == 0 and self.steps == 0:
            raise ValueError(
                "--controller.generations, --controller.steps: expected one of them above 0, received 0 and 0."
            )

    @property
    def seen(self) -> str:
        """The z that C sees, "mean" or "sampled": a dream has no mean, so one that has dreamt sees
        sampled z in the real world too.
        """
        return self.latent if self.world == "real" else "sampled"
