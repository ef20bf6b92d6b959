"""What is exported of V, M and Perception: functions with named inputs and outputs.

An endpoint takes the same arguments as the model's method (where a state is a dict). Flattened, the
inputs of a state are called state_<name> and those of noise noise_<name>; a new state comes back as
next_<name>, since an output may not have an input's name.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from WorldModels.interfaces import observation_dtype


@dataclass(frozen=True)
class Endpoint:
    """A function to export.

    Args:
        name: of the endpoint.
        function: takes the arguments and returns a dict of named tensors.
        arguments: a named InputSpec, or a dict of them, for each argument.
    """

    name: str
    function: Callable[..., dict[str, Any]]
    arguments: tuple

    def specs(self) -> dict[str, keras.InputSpec]:
        """The named inputs, flat."""
        return {spec.name: spec for spec in keras.tree.flatten(self.arguments)}

    def arguments_of(self, inputs: dict[str, Any]) -> tuple:
        """The function's arguments from flat named inputs."""
        return keras.tree.map_structure(lambda spec: inputs[spec.name], self.arguments)

    def example(self, batch: int = 3, time: int = 4) -> dict[str, np.ndarray]:
        """Flat named inputs, the same at every call: uint8 in 0..255, float32 in 0..1."""
        generator = np.random.default_rng(0)
        inputs = {}
        for name, spec in self.specs().items():
            shape = [batch, *(time if n is None else n for n in spec.shape[1:])]
            if spec.dtype == "uint8":
                inputs[name] = generator.integers(0, 256, shape, np.uint8)
            else:
                inputs[name] = generator.random(shape, np.float32)
        return inputs


@contextmanager
def without_cudnn(model: keras.Model) -> Iterator[None]:
    """Keep cuDNN out of what is exported of a model: set `use_cudnn=False` in all its layers.

    Where Keras sees a GPU, it would turn an LSTM or a GRU into an operation of cuDNN, and the file
    could be opened only there. Afterwards the layers are as they were, so that training stays fast.
    """
    layers = [layer for layer in model._flatten_layers() if hasattr(layer, "use_cudnn")]
    before = [layer.use_cudnn for layer in layers]
    try:
        for layer in layers:
            layer.use_cudnn = False
        yield
    finally:
        for layer, value in zip(layers, before, strict=True):
            layer.use_cudnn = value


def of_vision(vision) -> list[Endpoint]:
    """The endpoints encode (observations to mean and log_var) and decode (z to observations)."""
    shape = tuple(vision.observation_shape)

    def encode(observations):
        mean, log_var = vision.encode(observations)
        return {"mean": mean, "log_var": log_var}

    def decode(z):
        return {"observations": vision.decode(z)}

    observations = _spec("observations", *shape, dtype=observation_dtype(shape))
    return [
        Endpoint("encode", encode, (observations,)),
        Endpoint("decode", decode, (_spec("z", vision.latent_size),)),
    ]


def of_memory(memory) -> list[Endpoint]:
    """The endpoints step, sample and sequence, with the arguments of interfaces.Memory."""
    state = {
        name: _spec(f"state_{name}", *x.shape[1:]) for name, x in memory.initial_state(1).items()
    }
    noise = {name: _spec(f"noise_{name}", *shape) for name, shape in _noise(memory).items()}
    z, a = memory.latent_size, memory.action_size

    def step(state, z, action, reward):
        following = memory.step(state, z, action, reward)
        return memory.hidden(following) | _next(following)

    def sequence(z, actions, rewards, state):
        hidden, following = memory.sequence(z, actions, rewards, state)
        return {"hidden": hidden} | _next(following)

    sequences = _spec("z", None, z), _spec("actions", None, a), _spec("rewards", None)
    return [
        Endpoint("step", step, (state, _spec("z", z), _spec("action", a), _spec("reward"))),
        Endpoint("sample", memory.sample, (state, _spec("temperature"), noise)),
        Endpoint("sequence", sequence, (*sequences, state)),
    ]


def _noise(memory) -> dict[str, tuple[int, ...]]:
    shapes = {"component": (memory.latent_size,), "normal": (memory.latent_size,)}
    return shapes | ({"terminated": ()} if memory.terminated_head else {})


def of_perception(perception) -> Endpoint:
    """One step in the real world; see assembly.models.Perception."""
    return Endpoint("perception", perception, (perception.input_specs(),))


def of_imagination(imagination) -> Endpoint:
    """One step in a dream; see assembly.models.Imagination."""
    return Endpoint("imagination", imagination, (imagination.input_specs(),))


def _spec(name: str, *shape: int | None, dtype: str = "float32") -> keras.InputSpec:
    return keras.InputSpec(dtype=dtype, shape=(None, *shape), name=name)


def _next(state: dict[str, Any]) -> dict[str, Any]:
    return {f"next_{name}": x for name, x in state.items()}
