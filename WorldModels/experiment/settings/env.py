"""The environment as V sees it; a game with settings of its own extends this class in games/."""

import json
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from WorldModels.experiment.fields import positive, recipe, shape

# Arguments that are not free, and why.
GIVEN = {"id": "--env.id gives", "render_mode": "--env.observation decides"}


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
    # arguments of the environment's constructor, in JSON: '{"config": "maze.yaml"}'
    kwargs: str = shape("{}", acts={"game.experiment": ("",)})

    def __post_init__(self):
        positive(self, "max_steps")
        # Equal arguments are equal settings, however they were typed.
        object.__setattr__(self, "kwargs", json.dumps(self.arguments, sort_keys=True))

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of the environment's constructor: name -> value.

        Raises:
            ValueError: they are not a JSON object, or hold an argument that is not free.
        """
        try:
            arguments = json.loads(self.kwargs)
        except (ValueError, TypeError):
            arguments = None
        if not isinstance(arguments, dict):
            raise ValueError(
                "--env.kwargs: expected the constructor's arguments as a JSON object, such as "
                f'\'{{"config": "maze.yaml"}}\', received {self.kwargs}.'
            )
        for name in GIVEN:
            if name in arguments:
                raise ValueError(
                    f"--env.kwargs: expected no {name}, which {GIVEN[name]}, received "
                    f"{self.kwargs}; drop it."
                )
        return arguments

    @property
    def rule(self) -> str:
        """The name of the rule that counts a return: a key of Game.rules."""
        return "return"
