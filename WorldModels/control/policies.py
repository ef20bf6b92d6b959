"""The players who look at nothing, by name, and how a mixture of them is dealt out.

CarRacing's random drivers stand here, the others in blind.py. Knows no environment.
"""

import math

import numpy as np

from WorldModels.control.blind import (
    Diverse,
    Held,
    HeldShort,
    Left,
    RandomPolicy,
    Right,
    Stay,
    Straight,
    Sweep,
    Uniform,
)


class Cauchy(RandomPolicy):
    """tanh(W noise + b) with heavy-tailed W and b of one scale per episode
    (hardmaru/WorldModelsExperiments extract.py).

    There a controller with Cauchy weights times U(0, 0.01) looks at an untrained V and M whose
    weights are nearly zero:
    it sees 32 numbers of white noise for z and about 0 for the 256 of h, which therefore are left
    out here. Steering is
    mostly near 0 with a saturated direction now and then, gas about a half, the brake about 0.
    """

    name = "cauchy"
    noise_size = 32  # z
    largest_scale = 0.01

    def _begin(self):
        scale = self.rng.uniform(0, self.largest_scale)
        self.bias = scale * self.rng.standard_cauchy(self.action_size)
        self.weights = scale * self.rng.standard_cauchy((self.action_size, self.noise_size))

    def act(self, observation=None):
        noise = self.rng.standard_normal(self.noise_size)
        return np.tanh(self.weights @ noise + self.bias).astype(np.float32)


class Brownian(RandomPolicy):
    """A random walk a += sqrt(1/50) N(0, 1) from a uniform start, clipped to its range
    (ctallec/world-models).

    There it walks in the environment's own range, gas and brake in 0..1; with pedals that is mapped
    to -1..1.
    """

    name = "brownian"
    step = math.sqrt(1 / 50)
    # steer, gas, brake in the environment's own units
    lowest, highest = (-1.0, 0.0, 0.0), (1.0, 1.0, 1.0)

    def _begin(self):
        self.low = np.array(self.lowest if self.pedals else [-1.0] * self.action_size)
        self.high = np.array(self.highest if self.pedals else [1.0] * self.action_size)
        self.action = None

    def act(self, observation=None):
        if self.action is None:
            self.action = self.rng.uniform(self.low, self.high)
        else:
            walked = self.action + self.step * self.rng.standard_normal(self.action_size)
            self.action = np.minimum(np.maximum(walked, self.low), self.high)
        action = self.action.astype(np.float32)
        if self.pedals:
            action[1] = 2 * action[1] - 1
        return action


class BrownianGas(Brownian):
    """The random walk with a heavy foot: gas in 0.25..1 and brake in 0..0.1, so that the car gets
    somewhere.
    """

    name = "brownian_gas"
    lowest, highest = (-1.0, 0.25, 0.0), (1.0, 1.0, 0.1)


KINDS = (
    Cauchy,
    Brownian,
    BrownianGas,
    Held,
    Uniform,
    HeldShort,
    Diverse,
    Stay,
    Left,
    Right,
    Sweep,
    Straight,
)
POLICIES = {policy.name: policy for policy in KINDS}


def parse_mixture(text: str) -> dict[str, float]:
    """The shares in "held:0.4,cauchy:0.3,brownian:0.3" or "cauchy", in the order given; they sum to
    1.

    Besides the kinds in POLICIES, "controller" is a valid name.

    Raises:
        ValueError: an unknown name, a name twice, a share that is no positive number, or shares
        that do not sum to 1.
    """
    shares = {}
    parts = [part.strip() for part in text.split(",")]
    for part in parts:
        name, _, number = part.partition(":")
        name = name.strip()
        if name not in POLICIES and name != "controller":
            known = ", ".join([*POLICIES, "controller"])
            raise ValueError(
                f"--record.policies: expected names among {known}, received {name!r} in {text!r}."
            )
        if name in shares:
            raise ValueError(
                f"--record.policies: expected each name once, received {name!r} twice in {text!r}."
            )
        shares[name] = _share(number, text) if number or len(parts) > 1 else 1.0
    total = sum(shares.values())
    if abs(total - 1) > 1e-3:
        raise ValueError(
            f"--record.policies: expected shares that sum to 1, received {total:.4g} in {text!r}."
        )
    return {name: share / total for name, share in shares.items()}


def _share(number: str, text: str) -> float:
    try:
        share = float(number)
    except ValueError:
        share = math.nan
    if not 0 < share <= 1:
        raise ValueError(
            f"--record.policies: expected name:share with a share above 0 and at most 1, received {number!r} in {text!r}."
        )
    return share


def policy_of_episode(shares: dict[str, float], index: int) -> str:
    """Which policy drives episode `index` (from 0): the shares hold closely for any number of
    episodes.

    The golden ratio's multiples spread evenly over 0..1, and so do every second, third ... of them,
    so that every n-th
    episode (say, those that start at the line) has the same mixture.
    """
    golden = (math.sqrt(5) - 1) / 2
    position = math.fmod(golden * (index + 1), 1.0)
    for name, share in shares.items():
        position -= share
        if position < 0:
            return name
    return name
