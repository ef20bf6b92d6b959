"""The blind policies by name, and how the episodes of a recording are shared out among policies."""

import math

import numpy as np

from WorldModels.control.blind import (
    BlindPolicy,
    Diverse,
    Held,
    HeldShort,
    Left,
    Right,
    Stay,
    Straight,
    Sweep,
    Uniform,
)


class Cauchy(BlindPolicy):
    """tanh(W noise + b), with heavy-tailed W and b, on one scale per episode.

    From hardmaru/WorldModelsExperiments, extract.py, where a controller with Cauchy weights
    times U(0, 0.01) sees through an untrained V and M whose weights are nearly zero. Its z is 32
    numbers of white noise, and its 256 numbers of h are about 0, hence left out here. In
    CarRacing the steering is mostly near 0, with a saturated direction now and then, the gas about
    a half, and the brake about 0.
    """

    name = "cauchy"
    noise_size = 32  # z
    largest_scale = 0.01

    def _begin(self):
        scale = self.rng.uniform(0, self.largest_scale)
        self.bias = scale * self.rng.standard_cauchy(self.action_size)
        self.weights = scale * self.rng.standard_cauchy((self.action_size, self.noise_size))

    def _next(self):
        noise = self.rng.standard_normal(self.noise_size)
        return np.tanh(self.weights @ noise + self.bias).astype(np.float32)


class Brownian(BlindPolicy):
    """A random walk from a uniform start, clipped to its range (ctallec/world-models).

        a += sqrt(1/50) N(0, 1)

    As in that repository, gas and brake walk in 0..1, the environment's range; the gas is then
    mapped to -1..1.
    """

    name = "brownian"
    step = math.sqrt(1 / 50)
    ranges = {"symmetric": (-1.0, 1.0), "gas": (0.0, 1.0), "brake": (0.0, 1.0)}

    def _begin(self):
        usual = self.ranges["symmetric"]
        self.low, self.high = np.transpose([self.ranges.get(kind, usual) for kind in self.kinds])
        self.action = None

    def _next(self):
        if self.action is None:
            self.action = self.rng.uniform(self.low, self.high)
        else:
            walked = self.action + self.step * self.rng.standard_normal(self.action_size)
            self.action = np.minimum(np.maximum(walked, self.low), self.high)
        action = self.action.astype(np.float32)
        action[self.gas] = 2 * action[self.gas] - 1
        return action


class BrownianGas(Brownian):
    """A random walk with a heavy foot (gas 0.25..1, brake 0..0.1), so that the car gets going."""

    name = "brownian_gas"
    ranges = {"symmetric": (-1.0, 1.0), "gas": (0.25, 1.0), "brake": (0.0, 0.1)}


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
    """The shares in "held:0.4,cauchy:0.3,brownian:0.3" or "cauchy", in the order given.

    Besides the names in POLICIES, "controller" is valid. The shares sum to 1.

    Raises:
        ValueError: an unknown name, a repeated name, a share that is not a positive number, or
            shares that do not sum to 1.
    """
    shares = {}
    parts = [part.strip() for part in text.split(",")]
    for part in parts:
        name, _, number = part.partition(":")
        name = name.strip()
        _check_name(name, shares, text)
        shares[name] = _share(number, text) if number or len(parts) > 1 else 1.0
    total = sum(shares.values())
    if abs(total - 1) > 1e-3:
        raise ValueError(
            f"--record.policies: expected shares that sum to 1, received {total:.4g} in {text!r}."
        )
    return {name: share / total for name, share in shares.items()}


def _check_name(name: str, before: dict[str, float], text: str) -> None:
    if name not in POLICIES and name != "controller":
        known = ", ".join([*POLICIES, "controller"])
        raise ValueError(
            f"--record.policies: expected names among {known}, received {name!r} in {text!r}."
        )
    if name in before:
        raise ValueError(
            f"--record.policies: expected each name once, received {name!r} twice in {text!r}."
        )


def _share(number: str, text: str) -> float:
    try:
        share = float(number)
    except ValueError:
        share = math.nan
    if not 0 < share <= 1:
        raise ValueError(
            "--record.policies: expected name:share with a share above 0 and at most 1, "
            f"received {number!r} in {text!r}."
        )
    return share


def drivers(policies: str, controller_share: float, iteration: int) -> dict[str, float]:
    """Which policies record an iteration (paper section 5), as shares of its episodes.

    From iteration 1 on, the previous iteration's controller records `controller_share` of them and
    the policies share the rest. A mixture that names the controller is used as given.

    Args:
        policies: a mixture, see `parse_mixture`.
        controller_share: share of the episodes, 0..1.
        iteration: from 0.

    Raises:
        ValueError: `policies` is not a mixture of known policies.
    """
    stated = parse_mixture(policies)
    if iteration == 0 or "controller" in stated:
        return stated
    rest = {name: (1 - controller_share) * share for name, share in stated.items()}
    mixture = {"controller": controller_share} | rest
    return {name: share for name, share in mixture.items() if share > 0}


def policy_of_episode(shares: dict[str, float], index: int) -> str:
    """Which policy plays episode `index` (from 0); any number of them comes close to the shares.

    Multiples of the golden ratio modulo 1 spread evenly over 0..1, and so do every second, every
    third ... of them. Hence every n-th episode (say, those that start at the line) follows the
    same mixture.
    """
    golden = (math.sqrt(5) - 1) / 2
    position = math.fmod(golden * (index + 1), 1.0)
    for name, share in shares.items():
        position -= share
        if position < 0:
            return name
    return name
