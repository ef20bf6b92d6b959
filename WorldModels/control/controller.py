"""C: features -> action, linear or with one hidden layer, for one driver or a whole population.
Knows no world.

A controller is its shape; its parameters are one flat vector per driver, so that evolution can
treat them as a point.
"""

import os
from dataclasses import asdict, dataclass

import numpy as np

FEATURES = {"z": ("latent",), "zh": ("latent", "hidden"), "zch": ("latent", "cell", "hidden")}


@dataclass(frozen=True)
class Controller:
    """The shape of a driver: what it sees, and the layers between that and its actions.

    Every action is a tanh, hence in -1..1. The published ones (hardmaru/WorldModelsExperiments):
    [z, h] linear with 867
    parameters, z with a hidden layer of 40 with 1,443, Doom's [z, c, h] without bias with 1,088.

    Attributes:
        features: "z", "zh" or "zch", the parts that are concatenated in this order.
        latent_size, hidden_size, cell_size: numbers in z, h and c; cell_size 0 means as many as h.
        action_size: numbers in an action.
        num_hidden: tanh units between; 0 is linear.
        bias: whether layers have one.
        latent: "mean" or "sampled": the z that it was evolved on, which is the z that it must be
            shown.

    Raises:
        ValueError: unknown features or latent.
    """

    features: str = "zh"
    latent_size: int = 32
    hidden_size: int = 256
    cell_size: int = 0
    action_size: int = 3
    num_hidden: int = 0
    bias: bool = True
    latent: str = "mean"

    def __post_init__(self):
        if self.features not in FEATURES:
            raise ValueError(
                f"--controller.features: expected one of {', '.join(FEATURES)}, received {self.features!r}."
            )
        if self.latent not in ("mean", "sampled"):
            raise ValueError(
                f"--controller.latent: expected mean or sampled, received {self.latent!r}."
            )

    @property
    def feature_size(self) -> int:
        """Numbers in the features (F)."""
        sizes = {
            "latent": self.latent_size,
            "hidden": self.hidden_size,
            "cell": self.cell_size or self.hidden_size,
        }
        return sum(sizes[part] for part in FEATURES[self.features])

    @property
    def num_parameters(self) -> int:
        """Numbers in a driver's flat vector (N)."""
        return sum((inputs + self.bias) * outputs for inputs, outputs in self._layers())

    def act(self, parameters, features, xp=np):
        """The actions of a population, each driver on its own batch.

        Args:
            parameters: (P, N); the layout is, layer by layer, bias (outputs,) and weights (inputs,
                outputs) row by row.
            features: (P, B, F).
            xp: numpy, or keras.ops inside a compiled loop.

        Returns:
            (P, B, A) in -1..1.

        Raises:
            ValueError: parameters are not (P, N) or features not (P, B, F).
        """
        if len(parameters.shape) != 2 or parameters.shape[-1] != self.num_parameters:
            raise ValueError(
                f"parameters: expected shape (P, {self.num_parameters}), received {tuple(parameters.shape)}."
            )
        if len(features.shape) != 3 or features.shape[-1] != self.feature_size:
            raise ValueError(
                f"features: expected shape (P, B, {self.feature_size}), received {tuple(features.shape)}."
            )
        return self.forward(self.unpack(parameters, xp), features, xp)

    def unpack(self, parameters, xp=np) -> list[tuple]:
        """Each layer's bias (P, 1, outputs), or None, and weights (P, inputs, outputs), out of (P,
        N).
        """
        layers, start = [], 0
        for inputs, outputs in self._layers():
            bias = None
            if self.bias:
                bias = xp.reshape(parameters[:, start : start + outputs], (-1, 1, outputs))
                start += outputs
            layers.append(
                (
                    bias,
                    xp.reshape(
                        parameters[:, start : start + inputs * outputs], (-1, inputs, outputs)
                    ),
                )
            )
            start += inputs * outputs
        return layers

    @staticmethod
    def forward(layers: list[tuple], features, xp=np):
        """tanh(features weights + bias), layer after layer; shapes that numpy multiplies and adds."""
        for bias, weights in layers:
            features = xp.matmul(features, weights)
            features = xp.tanh(features if bias is None else features + bias)
        return features

    def _layers(self) -> list[tuple[int, int]]:
        sizes = [
            self.feature_size,
            *([self.num_hidden] if self.num_hidden else []),
            self.action_size,
        ]
        return list(zip(sizes[:-1], sizes[1:], strict=True))

    def save(self, path: str | os.PathLike, parameters: np.ndarray, **facts: float) -> None:
        """Write a driver as .npz, complete or not at all.

        Args:
            path: .npz file.
            parameters: (N,).
            facts: numbers to keep with it, such as generation and validation_mean.

        Raises:
            ValueError: parameters are not (N,) or not finite.
        """
        from WorldModels.experiment.files import atomic

        parameters = np.asarray(parameters, np.float64)
        if parameters.shape != (self.num_parameters,) or not np.isfinite(parameters).all():
            raise ValueError(
                f"{path}: expected {self.num_parameters} finite parameters, received shape {parameters.shape}."
            )
        with atomic(path) as temporary:
            np.savez(
                temporary,
                parameters=parameters,
                **asdict(self),
                **{f"fact_{k}": np.float64(v) for k, v in facts.items()},
            )

    @classmethod
    def load(cls, path: str | os.PathLike) -> tuple["Controller", np.ndarray, dict[str, float]]:
        """Read a driver: its shape, its parameters (N,) float64 and the facts that were saved with
        it.

        Raises:
            FileNotFoundError: no such file.
            ValueError: the file is damaged or not a driver.
        """
        remedy = "expected a driver (.npz) of train_controller; run train_controller again"
        try:
            with np.load(path, allow_pickle=False) as file:
                shape = {name: file[name].item() for name in asdict(cls())}
                facts = {
                    name.removeprefix("fact_"): file[name].item()
                    for name in file.files
                    if name.startswith("fact_")
                }
                controller, parameters = cls(**shape), file["parameters"]
        except FileNotFoundError:
            raise
        except Exception as error:
            raise ValueError(
                f"{path}: {remedy}, received a file that cannot be read as one: {error}."
            ) from None
        if parameters.shape != (controller.num_parameters,) or not np.isfinite(parameters).all():
            raise ValueError(
                f"{path}: {remedy}, received {parameters.shape} parameters for {controller.num_parameters}."
            )
        return controller, parameters, facts


class ControllerPolicy:
    """A controller with its parameters as a policy: one lane, as cheap as a matrix product.

    Args:
        controller: the shape.
        parameters: (N,).

    Raises:
        ValueError: parameters are not (N,).
    """

    name = "controller"

    def __init__(self, controller: Controller, parameters: np.ndarray):
        parameters = np.asarray(parameters, np.float32)
        if parameters.shape != (controller.num_parameters,):
            raise ValueError(
                f"parameters: expected shape ({controller.num_parameters},), received {parameters.shape}."
            )
        lane = [
            (None if b is None else b[0, 0], w[0]) for b, w in controller.unpack(parameters[None])
        ]
        self.layers, self.forward = lane, controller.forward

    def reset(self, seed: int) -> None:
        """Nothing to remember: the memory is the world's."""

    def act(self, features: np.ndarray) -> np.ndarray:
        """(F,) float32 -> (A,) float32 in -1..1."""
        return self.forward(self.layers, features)
