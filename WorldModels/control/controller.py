"""C: maps features to actions, linear or with a hidden layer, for one driver or a population.

A Controller is only the shape. The parameters of each driver are one flat vector, so that evolution
can treat a driver as a point.
"""

import os
from dataclasses import asdict, dataclass

import numpy as np

from WorldModels.experiment.games.game import one_hot
from WorldModels.interfaces import FEATURES

LATER = ("chooses",)  # what files of earlier versions lack


@dataclass(frozen=True)
class Controller:
    """The shape of a driver: what it sees, and the layers between that and its actions.

    Every action is a tanh, hence in -1..1, or a choice. Published shapes
    (hardmaru/WorldModelsExperiments): linear on [z, h] with 867 parameters; z with a hidden layer
    of 40, 1,443; Doom's on [z, c, h] without bias, 1,088.

    Attributes:
        features: "z", "zh" or "zch": the parts, concatenated in FEATURES' order.
        latent_size, hidden_size, cell_size: numbers in z, h and c; cell_size 0 means as many as h.
        action_size: numbers in an action.
        num_hidden: tanh units in the hidden layer; 0 is linear.
        bias: whether each layer has a bias.
        latent: "mean" or "sampled": the kind of z that it was evolved on and needs as input.
        chooses: whether its actions are one-hot vectors, 1 at the largest output.

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
    chooses: bool = False

    def __post_init__(self):
        for name, known in (("features", tuple(FEATURES)), ("latent", ("mean", "sampled"))):
            value = getattr(self, name)
            if value not in known:
                raise ValueError(
                    f"--controller.{name}: expected one of {', '.join(known)}, received {value!r}."
                )

    @property
    def feature_size(self) -> int:
        """Numbers in the features (F)."""
        cell_size = self.cell_size or self.hidden_size
        sizes = {"z": self.latent_size, "h": self.hidden_size, "c": cell_size}
        return sum(sizes[part] for part in FEATURES[self.features])

    @property
    def num_parameters(self) -> int:
        """Numbers in a driver's flat vector (N)."""
        return sum((inputs + self.bias) * outputs for inputs, outputs in self._layers())

    def act(self, parameters, features, xp=np):
        """The actions of a population, each driver on its own batch.

        Args:
            parameters: (P, N): layer by layer the bias (outputs,), then the weights
                (inputs, outputs) row by row.
            features: (P, B, F).
            xp: numpy, or keras.ops inside a compiled loop.

        Returns:
            (P, B, A) in -1..1, or one-hot.

        Raises:
            ValueError: parameters are not (P, N) or features not (P, B, F).
        """
        size, shape = self.num_parameters, tuple(parameters.shape)
        if len(shape) != 2 or shape[-1] != size:
            raise ValueError(f"parameters: expected shape (P, {size}), received {shape}.")
        size, shape = self.feature_size, tuple(features.shape)
        if len(shape) != 3 or shape[-1] != size:
            raise ValueError(f"features: expected shape (P, B, {size}), received {shape}.")
        return self.forward(self.unpack(parameters, xp), features, xp)

    def unpack(self, parameters, xp=np) -> list[tuple]:
        """Split parameters (P, N) into layers.

        Returns:
            For each layer its bias (P, 1, outputs), or None, and weights (P, inputs, outputs).
        """
        layers, start = [], 0
        for inputs, outputs in self._layers():
            bias = None
            if self.bias:
                bias = xp.reshape(parameters[:, start : start + outputs], (-1, 1, outputs))
                start += outputs
            weights = parameters[:, start : start + inputs * outputs]
            layers.append((bias, xp.reshape(weights, (-1, inputs, outputs))))
            start += inputs * outputs
        return layers

    def forward(self, layers: list[tuple], features, xp=np):
        """Compute tanh(features weights + bias), layer after layer; shapes broadcast.

        A choice is made before the last tanh, which would make large outputs equal.
        """
        for place, (bias, weights) in enumerate(layers, start=1):
            features = xp.matmul(features, weights)
            features = features if bias is None else features + bias
            if self.chooses and place == len(layers):
                return one_hot(features, xp)
            features = xp.tanh(features)
        return features

    def _layers(self) -> list[tuple[int, int]]:
        hidden = [self.num_hidden] if self.num_hidden else []
        sizes = [self.feature_size, *hidden, self.action_size]
        return list(zip(sizes[:-1], sizes[1:], strict=True))

    def save(self, path: str | os.PathLike, parameters: np.ndarray, **facts: float) -> None:
        """Write a driver to an .npz, atomically.

        Args:
            path: .npz file.
            parameters: (N,).
            facts: numbers to save with it, such as generation and validation.

        Raises:
            ValueError: parameters are not (N,) or not finite.
        """
        from WorldModels.experiment.files import atomic

        parameters = np.asarray(parameters, np.float64)
        if not self._fits(parameters):
            raise ValueError(
                f"{path}: expected {self.num_parameters} finite parameters, "
                f"received shape {parameters.shape}."
            )
        kept = {f"fact_{name}": np.float64(fact) for name, fact in facts.items()}
        with atomic(path) as temporary:
            np.savez(temporary, parameters=parameters, **asdict(self), **kept)

    @classmethod
    def load(cls, path: str | os.PathLike) -> tuple["Controller", np.ndarray, dict[str, float]]:
        """Read a driver: its shape, its parameters (N,) float64, and the facts saved with it.

        Raises:
            FileNotFoundError: no such file.
            ValueError: the file is damaged or not a driver.
        """
        wanted = "expected a driver (.npz) made by train_controller"
        try:
            controller, parameters, facts = cls._read(path)
        except FileNotFoundError:
            raise
        except Exception as error:
            raise ValueError(
                f"{path}: {wanted}, received a file that cannot be read as one ({error}); "
                f"{_remedy(path)}"
            ) from None
        if not controller._fits(parameters):
            raise ValueError(
                f"{path}: {wanted}, received {parameters.shape} parameters for "
                f"{controller.num_parameters}; {_remedy(path)}"
            )
        return controller, parameters, facts

    @classmethod
    def _read(cls, path: str | os.PathLike) -> tuple["Controller", np.ndarray, dict[str, float]]:
        with np.load(path, allow_pickle=False) as file:
            names = [name for name in asdict(cls()) if name in file.files or name not in LATER]
            shape = {name: file[name].item() for name in names}
            facts = {
                name.removeprefix("fact_"): file[name].item()
                for name in file.files
                if name.startswith("fact_")
            }
            return cls(**shape), file["parameters"], facts

    def _fits(self, parameters: np.ndarray) -> bool:
        return parameters.shape == (self.num_parameters,) and bool(np.isfinite(parameters).all())


def _remedy(path: str | os.PathLike) -> str:
    from WorldModels.experiment.damage import again

    return f"make it again: {command}" if (command := again(path)) else "evolve it again."


class ControllerPolicy:
    """A controller with its parameters as a policy; a step costs one matrix product.

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
                f"parameters: expected shape ({controller.num_parameters},), "
                f"received {parameters.shape}."
            )
        self.layers = [
            (None if bias is None else bias[0, 0], weights[0])
            for bias, weights in controller.unpack(parameters[None])
        ]
        self.forward = controller.forward

    def reset(self, seed: int) -> None:
        """Begin an episode; the policy has no state, since M is part of the world."""

    def act(self, features: np.ndarray) -> np.ndarray:
        """The action, (A,) float32 in -1..1, for features (F,) float32."""
        return self.forward(self.layers, features)
