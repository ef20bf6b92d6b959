"""Dreams side by side: their settings, their noise, and one step of all of them."""

from dataclasses import dataclass

import numpy as np

from WorldModels.interfaces import DROPPED, FEATURES, LATENT, REWARD, Imagination, State

REWARDS = ("head", "constant")
TERMINATIONS = ("threshold", "sampled", "never")
BLOCK = 64  # steps of noise drawn at a time


@dataclass(frozen=True)
class Dreaming:
    """How a dream goes: what C sees, how uncertain it is, how it rewards and how it ends.

    Attributes:
        features: "z", "zh" or "zch".
        temperature: above 0; divides the mixtures' logits and multiplies their variances.
        reward: "head": as M predicts it; "constant": step_reward.
        step_reward: the constant reward of every step, including the last.
        termination: "threshold": when M's probability of the end exceeds `threshold`
            (hardmaru/WorldModelsExperiments, doomrnn.py: 0.5); "sampled": with M's probability;
            "never".
        threshold: see termination.
        max_steps: steps after which a dream is truncated.

    Raises:
        ValueError: a value is unknown or out of its range.
    """

    features: str = "zh"
    temperature: float = 1.0
    reward: str = "head"
    step_reward: float = 1.0
    termination: str = "threshold"
    threshold: float = 0.5
    max_steps: int = 1000

    def __post_init__(self):
        for name, known in (
            ("features", FEATURES),
            ("reward", REWARDS),
            ("termination", TERMINATIONS),
        ):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name}: expected one of {', '.join(known)}, received {getattr(self, name)!r}."
                )
        if not 0 < self.temperature < np.inf:
            raise ValueError(
                f"temperature: expected a number above 0, received {self.temperature}."
            )
        if self.max_steps < 1:
            raise ValueError(f"max_steps: expected 1 step or more, received {self.max_steps}.")

    def check(self, sizes: dict[str, int], heads: tuple[str, ...]) -> None:
        """Refuse an M that lacks what this dream needs.

        Raises:
            ValueError: M has no c, or lacks a head.
        """
        if "c" in self.features and "c" not in sizes:
            raise ValueError(
                f"features: expected z or zh, since this kind of M has no c, "
                f"received {self.features!r}."
            )
        for head, needed in (
            ("reward", self.reward == "head"),
            ("terminated", self.termination != "never"),
        ):
            if needed and head not in heads:
                other = (
                    "--dream.reward constant" if head == "reward" else "--dream.termination never"
                )
                raise ValueError(
                    f"the dream needs M's {head} head, which this M lacks: train M with "
                    f"--memory.{head}-head, or pass {other}."
                )


class Noise:
    """The random numbers of one dream, drawn in blocks of steps; equal seeds give equal dreams."""

    def __init__(self, seed, latent_size: int):
        self.generator, self.latent_size, self.left = np.random.default_rng(seed), latent_size, 0

    def first(self, latents: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """The first latent (Z,) of a random recorded episode, drawn from V's posterior."""
        mean, log_var = latents
        episode = self.generator.integers(len(mean))
        noise = self.generator.standard_normal(self.latent_size, np.float32)
        return mean[episode] + np.exp(log_var[episode] / 2) * noise

    def dropped(self, size: int) -> np.ndarray:
        """What decides which of M's outputs are dropped (size,); see interfaces.DROPPED."""
        return self.generator.random(size, np.float32)

    def step(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The noise of a step: component (1, Z) and end (1,) uniform, normal (1, Z)."""
        if not self.left:
            shape = (BLOCK, self.latent_size)
            self.block = (
                self.generator.random(shape, np.float32),
                self.generator.standard_normal(shape, np.float32),
                self.generator.random(BLOCK, np.float32),
            )
            self.left = BLOCK
        self.left -= 1
        here = BLOCK - 1 - self.left
        return tuple(numbers[here : here + 1] for numbers in self.block)


class Lanes:
    """Dreams side by side, each with its own noise; DreamEnv has one, DreamVectorEnv many.

    Args:
        imagination: see interfaces.Imagination.
        first_latents: mean and log_var (N, Z) of the first frames of recorded episodes.
        dreaming: how the dreams go.
        count: number of lanes (B).

    Raises:
        ValueError: M lacks what the dream needs, or the latents differ in size from M's.
    """

    def __init__(
        self,
        imagination: Imagination,
        first_latents: tuple[np.ndarray, np.ndarray],
        dreaming: Dreaming,
        count: int,
    ):
        dreaming.check(imagination.sizes, imagination.heads)
        self.imagination, self.dreaming = imagination, dreaming
        self.names, size = FEATURES[dreaming.features], imagination.sizes["z"]
        self.first_latents = _checked(first_latents, size)
        self.feature_size = sum(imagination.sizes[name] for name in self.names)
        self.state: State = {
            name: np.zeros((count, *shape), np.float32)
            for name, shape in imagination.state_spec.items()
        }
        self.features = np.zeros((count, self.feature_size), np.float32)
        self.noise = [Noise(None, size) for _ in range(count)]
        self.steps = np.zeros(count, int)
        self.temperature = np.full(count, dreaming.temperature, np.float32)
        self.threshold = np.full(count, dreaming.threshold, np.float32)

    def begin(self, lane: int, seed: int | None) -> None:
        """Begin a lane's dream with a state of zeros and a first latent."""
        if seed is not None:
            self.noise[lane] = Noise(seed, self.imagination.sizes["z"])
        else:
            self.noise[lane].left = 0
        for x in self.state.values():
            x[lane] = 0
        self.state[LATENT][lane] = self.noise[lane].first(self.first_latents)
        if DROPPED in self.state:
            self.state[DROPPED][lane] = self.noise[lane].dropped(self.state[DROPPED].shape[1])
        self.features[lane] = 0
        self.features[lane, : self.imagination.sizes["z"]] = self.state[LATENT][lane]
        self.steps[lane] = 0

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Step every lane.

        Args:
            actions: (B, A) in -1..1.

        Returns:
            reward (B,), terminated and truncated (B,) bool.
        """
        z, h, c, reward, terminated, following = self.imagination(
            np.asarray(actions, np.float32), self.temperature, self._draw(), self.state
        )
        self.state = {
            name: x if x.flags.writeable else np.array(x) for name, x in following.items()
        }
        seen = {"z": z, "h": h, "c": c}
        self.features = np.concatenate([seen[name] for name in self.names], axis=1)
        self.steps += 1
        reward, terminated, truncated = self._outcome(reward, terminated)
        self.state[REWARD] = np.asarray(reward, np.float32)  # M reads what the dream gives
        return reward, terminated, truncated

    def _draw(self) -> dict[str, np.ndarray]:
        """The noise of one step: component and normal (B, Z), and terminated (B,)."""
        drawn = [noise.step() for noise in self.noise]
        component, normal, end = (
            drawn[0] if len(drawn) == 1 else map(np.concatenate, zip(*drawn, strict=True))
        )
        if self.dreaming.termination == "threshold":
            end = self.threshold
        return {"component": component, "normal": normal, "terminated": end}

    def _outcome(self, reward, terminated) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Reward, terminated and truncated (B,) from what M predicts, by the dream's settings."""
        how, count = self.dreaming, len(self.steps)
        if how.reward == "constant":
            reward = np.full(count, how.step_reward)
        else:
            reward = np.asarray(reward, np.float64)
        never = how.termination == "never"
        terminated = np.zeros(count, bool) if never else np.asarray(terminated) > 0.5
        return reward, terminated, (self.steps >= how.max_steps) & ~terminated


def _checked(latents, size: int) -> tuple[np.ndarray, ...]:
    """The first latents as float32."""
    latents = tuple(np.asarray(x, np.float32) for x in latents)
    if not len(latents[0]) or any(x.shape[1:] != (size,) for x in latents):
        raise ValueError(
            f"first latents: expected shape (N, {size}), as M takes them, "
            f"received {latents[0].shape}; encode again."
        )
    return latents
