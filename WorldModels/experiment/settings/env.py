"""The environment as V sees it; a game with settings of its own extends this class in games/."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from WorldModels.experiment.fields import positive, recipe, shape


@dataclass(frozen=True)
class EnvSettings:
    """The environment as V sees it."""

    flag_prefix: ClassVar[str] = "env"

    id: str = shape("CarRacing-v3")  # Gymnasium id, or TakeCover (ViZDoom)
    # what V sees: frames, or the environment's own numbers (needs --vision.kind dense)
    observation: Literal["frame", "vector"] = shape("frame")
    # pixels; CarRacing: 64 = top 84 rows area-resized, 96 = the full official frame
    frame_size: Literal[64, 96] = shape(64, acts={"env.observation": ("frame",)})
    max_steps: int = recipe(1000)  # steps after which an episode is truncated

    def __post_init__(self):
        positive(self, "max_steps")

    @property
    def rule(self) -> str:
        """The name of the rule that counts a return: a key of Game.rules."""
        return "return"
