"""Dreams side by side: how a dream goes, its noise, and one step of all of them. Knows an
imagination as a callable.
"""

from dataclasses import dataclass

import numpy as np

from WorldModels.interfaces import FEATURES, LATENT, Imagination, State

REWARDS = ("head", "constant")
TERMINATIONS = ("threshold", "sampled", "never")
BLOCK = 64  # steps of noise drawn at a time


@dataclass(frozen=True)
class Dreaming:
    """How a dream goes: what C sees, how uncertain it is, what it rewards and how it ends.

    Attributes:
        features: "z", "zh" or "zch".
        temperature: above 0; divides the mixtures' logits and multiplies their variances.
        reward: "head" as M predicts it, or "constant".
        step_reward: of every step, the last one too, where it is constant.
        termination: "threshold": where M's probability exceeds one
            (hardmaru/WorldModelsExperiments, doomrnn.py: 0.5); "sampled": with
            that probability; "never".
        threshold: see termination.
        max_steps: steps after which a dream is truncated.

    Raises:
        ValueError: a value is none of these, or out of its range.
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
                f"features: {self.features!r} has c, which this kind of M lacks; take z or zh."
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
                    f"the dream needs M's {head} head, which it lacks: train it with --memory.{head}-head, or give {other}."
                )


class Noise:
    """The random numbers of one dream, step by step, drawn in blocks; equal seeds give equal
    dreams.
    """

    def __init__(self, seed, latent_size: int):
        self.generator, self.latent_size, self.left = np.random.default_rng(seed), latent_size, 0

    def first(self, latents: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """A first latent (Z,): one of the recorded episodes', drawn from V's posterior."""
        mean, log_var = latents
        episode = self.generator.integers(len(mean))
        return mean[episode] + np.exp(log_var[episode] / 2) * self.generator.standard_normal(
            self.latent_size, np.float32
        )

    def step(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Component (1, Z) uniform, normal (1, Z), and uniform (1,) for the end."""
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
    """Dreams side by side, each with its own noise: what DreamEnv has one of and DreamVectorEnv
    many.

    Args:
        imagination: see interfaces.Imagination.
        first_latents: mean and log_var (N, Z) of the first frames of recorded episodes.
        dreaming: how the dreams go.
        count: lanes (B).

    Raises:
        ValueError: M lacks what the dream needs, or the latents are of another size.
    """

    def __init__(
        self,
        imagination: Imagination,
        first_latents: tuple[np.ndarray, np.ndarray],
        dreaming: Dreaming,
        count: int,
    ):
        dreaming.check(imagination.sizes, imagination.heads)
        self.imagination, self.dreaming, self.names = (
            imagination,
            dreaming,
            FEATURES[dreaming.features],
        )
        self.first_latents = tuple(np.asarray(x, np.float32) for x in first_latents)
        size = imagination.sizes["z"]
        if not len(self.first_latents[0]) or any(
            x.shape[1:] != (size,) for x in self.first_latents
        ):
            raise ValueError(
                f"first latents: expected (N, {size}) as M takes them, received {self.first_latents[0].shape}; encode again."
            )
        self.feature_size = sum(imagination.sizes[name] for name in self.names)
        self.state: State = {
            name: np.zeros((count, *shape), np.float32)
            for name, shape in imagination.state_spec.items()
        }
        self.features = np.zeros((count, self.feature_size), np.float32)
        self.noise = [Noise(None, size) for _ in range(count)]
        self.temperature, self.steps = (
            np.full(count, dreaming.temperature, np.float32),
            np.zeros(count, int),
        )
        self.threshold = np.full(count, dreaming.threshold, np.float32)

    def begin(self, lane: int, seed: int | None) -> None:
        """Begin a dream: a state of zeros and a first latent."""
        if seed is not None:
            self.noise[lane] = Noise(seed, self.imagination.sizes["z"])
        else:
            self.noise[lane].left = 0
        for x in self.state.values():
            x[lane] = 0
        self.state[LATENT][lane] = self.noise[lane].first(self.first_latents)
        self.features[lane] = 0
        self.features[lane, : self.imagination.sizes["z"]] = self.state[LATENT][lane]
        self.steps[lane] = 0

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One step of every lane on actions (B, A); gives reward (B,), terminated and truncated
        (B,) bool.
        """
        how, count = self.dreaming, len(self.steps)
        drawn = [noise.step() for noise in self.noise]
        component, normal, end = (
            drawn[0] if count == 1 else map(np.concatenate, zip(*drawn, strict=True))
        )
        if how.termination == "threshold":
            end = self.threshold
        noise = {"component": component, "normal": normal, "terminated": end}
        z, h, c, reward, terminated, following = self.imagination(
            np.asarray(actions, np.float32), self.temperature, noise, self.state
        )
        self.state = {
            name: x if x.flags.writeable else np.array(x) for name, x in following.items()
        }
        seen = {"z": z, "h": h, "c": c}
        self.features = np.concatenate([seen[name] for name in self.names], axis=1)
        self.steps += 1
        reward = (
            np.full(count, how.step_reward)
            if how.reward == "constant"
            else np.asarray(reward, np.float64)
        )
        terminated = (
            np.zeros(count, bool) if how.termination == "never" else np.asarray(terminated) > 0.5
        )
        return reward, terminated, (self.steps >= how.max_steps) & ~terminated
