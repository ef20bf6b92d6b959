"""M and its training (paper section A.2; hardmaru rnn_train.py)."""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from WorldModels.experiment.fields import (
    budget,
    falling,
    no_warmup,
    positive,
    recipe,
    shape,
    within,
)

MDN_RNN = {"memory.kind": ("mdn_rnn",)}
ATTENTION = {"memory.kind": ("transformer", "trade")}
TRADE = {"memory.kind": ("trade",)}
WITH_AN_END = {"memory.terminated_head": (True,)}


@dataclass(frozen=True)
class MemorySettings:
    """M and its training (paper section A.2; hardmaru rnn_train.py)."""

    flag_prefix: ClassVar[str] = "memory"

    kind: Literal["mdn_rnn", "transformer", "trade"] = shape("mdn_rnn")  # network family
    # trade: seed has a GRU for positions; paper predicts z one dimension at a time
    trade: Literal["seed", "paper"] = shape("seed", TRADE)
    lstm_size: int = shape(256, MDN_RNN)  # mdn_rnn: units of the LSTM, the size of h and of c
    hidden_size: int = shape(256, ATTENTION)  # transformer, trade: numbers in h
    width: int = shape(32, ATTENTION)  # transformer, trade: numbers in a token
    num_layers: int = shape(3, ATTENTION)  # transformer, trade: layers
    num_heads: int = shape(8, ATTENTION)  # transformer, trade: heads of each layer
    feed_forward: int = shape(2048, ATTENTION)  # transformer, trade: inner units of a layer
    # transformer, trade: share of activations dropped in training
    dropout: float = recipe(0.1, ATTENTION)
    # mdn_rnn: share of the LSTM's outputs hidden from the heads, by one mask a dream
    lstm_dropout: float = recipe(0.0, MDN_RNN)
    # transformer, trade: steps that each layer sees, including the present one
    window: int = shape(64, ATTENTION)
    # trade paper: weight of the maximum mean discrepancy between drawn and real latents
    mmd_weight: float = recipe(0.1, TRADE | {"memory.trade": ("paper",)})
    num_mixtures: int = shape(5)  # Gaussians in a mixture
    # a mixture for each latent dimension (paper), or one over the full latent
    mixture: Literal["independent", "joint"] = shape("independent")
    # lowest log standard deviation of a Gaussian in the mixture (-inf: none)
    log_std_floor: float = shape(-math.inf)
    # mdn_rnn: feed a flag at the first step of an episode (hardmaru doomrnn)
    restart_input: bool = shape(False)
    # M sees actions as -1, 0 or 1, by this threshold (0: unchanged)
    action_threshold: float = shape(0.0)
    reward_head: bool = shape(False)  # predict the reward
    # what it predicts: tiles counts CarRacing's tiles, whose worth differs from track to track
    reward_target: Literal["reward", "tiles"] = recipe(
        "reward", {"game.has_laps": (True,), "memory.reward_head": (True,)}
    )
    terminated_head: bool = shape(False)  # predict the end of the episode
    # weight of a positive terminated target (hardmaru doomrnn: restart_factor)
    terminated_weight: float = recipe(10.0, WITH_AN_END)
    # episodes: complete ones; streams: chunks with carried state; segments: random chunks
    batching: Literal["episodes", "streams", "segments"] = recipe("episodes")
    batch_size: int = recipe(100)  # sequences per step, or parallel streams
    sequence_length: int = recipe(999)  # steps of a chunk or segment; longer episodes are cut
    steps: int = budget(4000, {"memory.epochs": (0,)})  # training steps, if epochs is 0
    epochs: int = budget(0)  # passes over the series; above 0, used instead of steps
    optimizer: Literal["adam", "rmsprop"] = recipe("adam")
    learning_rate: float = recipe(1e-3)  # the optimizer's
    # learning-rate schedule; plateau: halves while the held-out loss does not fall for more than
    # five epochs (ctallec/world-models)
    schedule: Literal["constant", "cosine", "exponential", "plateau"] = recipe("exponential")
    patience: int = recipe(0)  # epochs without a lower held-out loss that end it (0: never)
    # exponential: (rate - final) * decay^step + final (paper CarRacing: 1.0)
    decay: float = recipe(1.0, {"memory.schedule": ("exponential",)})
    # learning rate at the end of cosine or exponential
    final_learning_rate: float = recipe(1e-5, {"memory.schedule": ("cosine", "exponential")})
    # Adam's, for the mean square of the gradients
    beta_2: float = recipe(0.999, {"memory.optimizer": ("adam",)})
    warmup_steps: int = recipe(0)  # steps over which the learning rate rises from 0
    clip_value: float = recipe(1.0)  # gradients are clipped to +- this (0: off)
    clip_norm: float = recipe(0.0)  # global norm of the gradients is clipped to this (0: off)
    # the finished weights; float16: rounded to numbers that it has, but stored as float32
    weights: Literal["float32", "float16"] = recipe("float32")
    # dtype in training; auto: what trains fastest on this machine
    dtype: Literal["auto", "float32", "mixed_bfloat16"] = recipe("auto")

    def __post_init__(self):
        positive(self, "lstm_size", "num_mixtures", "batch_size", "sequence_length")
        positive(self, "learning_rate", "terminated_weight", "hidden_size", "width", "num_layers")
        positive(self, "num_heads", "feed_forward", "window")
        within(self, "dropout", 0.0, 0.9)
        within(self, "lstm_dropout", 0.0, 0.9)
        within(self, "mmd_weight", 0.0, 1e6)
        within(self, "steps", 0, 10**9)
        within(self, "epochs", 0, 10**9)
        within(self, "decay", 1e-9, 1.0)
        within(self, "beta_2", 0.0, 0.999999)
        within(self, "warmup_steps", 0, 10**9)
        within(self, "action_threshold", 0.0, 1.0)
        within(self, "log_std_floor", -math.inf, 0.0)
        within(self, "final_learning_rate", 0.0, 1.0)
        within(self, "clip_value", 0.0, 1e9)
        within(self, "clip_norm", 0.0, 1e9)
        within(self, "patience", 0, 10**9)
        no_warmup(self)
        if self.schedule == "cosine" or (self.schedule == "exponential" and self.decay < 1):
            falling(self)
        self._check_kind()
        if self.steps == 0 and self.epochs == 0:
            raise ValueError(
                "--memory.steps, --memory.epochs: expected one of them above 0, received 0 and 0."
            )

    def _check_kind(self) -> None:
        if self.width % self.num_heads or self.width % 2:
            raise ValueError(
                f"--memory.width: expected an even multiple of --memory.num-heads "
                f"({self.num_heads}), received {self.width}."
            )
        if self.preset_kind == "trade:paper" and self.mixture != "independent":
            raise ValueError(
                f"--memory.mixture: expected independent with --memory.trade paper, received "
                f"{self.mixture}; its dimensions already depend on one another."
            )
        if self.kind != "mdn_rnn" and self.restart_input:
            raise ValueError(
                f"--memory.restart-input: expected False with --memory.kind {self.kind}, which "
                "starts every episode with an empty memory, received True."
            )

    @property
    def h_size(self) -> int:
        """Numbers in h."""
        return self.lstm_size if self.kind == "mdn_rnn" else self.hidden_size

    @property
    def counts_tiles(self) -> bool:
        """Whether the reward head predicts tiles instead of rewards."""
        return self.reward_head and self.reward_target == "tiles"

    @property
    def has_c(self) -> bool:
        """Whether this kind has a c, which --controller.features zch needs."""
        return self.kind == "mdn_rnn"

    @property
    def preset_kind(self) -> str:
        """The kind that chooses a preset: TraDE's two forms count as two."""
        return "trade:paper" if (self.kind, self.trade) == ("trade", "paper") else self.kind
