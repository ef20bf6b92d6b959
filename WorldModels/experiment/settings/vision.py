"""V and its training (paper section A.1; hardmaru vae_train.py)."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from WorldModels.experiment.fields import (
    budget,
    falling,
    free,
    no_warmup,
    positive,
    recipe,
    shape,
    within,
)

VAE = {"vision.kind": ("vae",)}
PICTURES = {"vision.kind": ("vae", "vae_gan")}
VAE_GAN = {"vision.kind": ("vae_gan",)}
DENSE = {"vision.kind": ("dense",)}


@dataclass(frozen=True)
class VisionSettings:
    """V and its training (paper section A.1; hardmaru vae_train.py)."""

    flag_prefix: ClassVar[str] = "vision"

    # network family; dense: for environments without pictures
    kind: Literal["vae", "vae_gan", "dense"] = shape("vae")
    latent_size: int = shape(32)  # numbers in z
    # channels of the encoder's convolutions
    encoder_filters: tuple[int, int, int, int] = shape((32, 64, 128, 256), VAE)
    # channels of the decoder's inner transposed convolutions
    decoder_filters: tuple[int, int, int] = shape((128, 64, 32), VAE)
    kernel_size: int = shape(5, VAE_GAN)  # vae_gan: width of its convolutions
    # vae_gan: channels of the generator's last layer; the other layers have multiples
    depth: int = shape(32, VAE_GAN)
    # vae_gan: weight of the term that keeps a batch's latents at mean 0 and variance 1
    normality_weight: float = recipe(0.1, VAE_GAN)
    # vae_gan: minus the discriminator's loss, or -log D(fake)
    generator_loss: Literal["minimax", "non_saturating"] = recipe("minimax", VAE_GAN)
    # dense: units of the encoder's layers
    hidden_sizes: tuple[int, ...] = shape((200, 200, 200), DENSE)
    # dense: units of the decoder's layers
    decoder_hidden_sizes: tuple[int, ...] = shape((200, 200), DENSE)
    # pixels weigh 1 + this * squared distance from the median frame, so that V sees small things
    # (0: all equal)
    rare_weight: float = recipe(0.0)
    # the untrained V gives the mean colour of the median frame, not grey, and latents that already
    # tell the frames apart
    median_start: bool = recipe(False, VAE)
    kl_weight: float = recipe(1.0)  # weight of the KL term in the loss
    kl_tolerance: float = recipe(0.5)  # free nats of the KL term per latent dimension
    epochs: int = budget(10)  # passes over the frames
    batch_size: int = recipe(100)  # frames per step
    learning_rate: float = recipe(1e-4)  # Adam's
    # learning-rate schedule over the full budget; plateau: halves while the held-out loss does not
    # fall for more than five epochs (ctallec/world-models)
    schedule: Literal["constant", "cosine", "plateau"] = recipe("constant")
    patience: int = recipe(0)  # epochs without a lower held-out loss that end it (0: never)
    flip: bool = recipe(False, PICTURES)  # mirror half of the frames in training
    final_learning_rate: float = recipe(1e-4, {"vision.schedule": ("cosine",)})  # at its end
    warmup_steps: int = recipe(0)  # steps over which the learning rate rises from 0
    max_validation_frames: int = recipe(2000)  # held-out frames that are scored after each epoch
    # frames of the shuffle buffer (12 kB each at 64x64, 28 kB at 96x96)
    buffer_frames: int = free(60_000, remembered=True)
    # the finished weights; float16: rounded to numbers that it has, but stored as float32
    weights: Literal["float32", "float16"] = recipe("float32")
    # dtype in training; auto: what trains fastest on this machine
    dtype: Literal["auto", "float32", "mixed_bfloat16"] = recipe("auto")
    # how the same decoder weights are computed; auto: what trains fastest on this machine
    decoder_form: Literal["auto", "transpose", "depth_to_space"] = recipe("auto", VAE)

    def __post_init__(self):
        positive(self, "latent_size", "epochs", "batch_size", "learning_rate", "buffer_frames")
        positive(self, "max_validation_frames", "final_learning_rate", "kernel_size", "depth")
        within(self, "normality_weight", 0.0, 1e6)
        within(self, "kl_tolerance", 0.0, 1e6)
        within(self, "kl_weight", 0.0, 1e6)
        within(self, "rare_weight", 0.0, 1e6)
        within(self, "warmup_steps", 0, 10**9)
        within(self, "patience", 0, 10**9)
        if self.schedule == "cosine":
            falling(self)
        no_warmup(self)
        if self.kind != "vae" and self.rare_weight > 0:
            raise ValueError(
                f"--vision.rare-weight: expected 0 with --vision.kind {self.kind}, which does not "
                f"weight pixels, received {self.rare_weight}."
            )
