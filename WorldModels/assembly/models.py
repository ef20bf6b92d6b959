"""V and M combined: Perception for the real world, Imagination for the dream.

Both are keras.Models, exported to ONNX or run by Keras itself.
"""

from pathlib import Path

import keras
import numpy as np
from keras import ops

from WorldModels import interfaces
from WorldModels.experiment.damage import check_own
from WorldModels.experiment.remedies import command_for, removed_first
from WorldModels.interfaces import LATENT, REWARD, STARTED, State, observation_dtype
from WorldModels.memory import kinds as memory_kinds
from WorldModels.vision import kinds as vision_kinds


class Perception(keras.Model):
    """One step in the real world: M on the last z and the action, then V on the frame.

    See interfaces.Perception. `call` maps a flat dict to a flat dict, so that the model can be
    exported and compiled. In: observation (B, H, W, 3) uint8 or (B, D) float32, reward (B,),
    action (B, A), noise (B, Z), and the state as state_<name> (B, ...). Out: z (B, Z), h (B, .),
    c (B, .) if M has one, and next_<name>.

    Args:
        vision: a built V.
        memory: a built M of the same latent size.

    Raises:
        ValueError: their latent sizes differ.
    """

    def __init__(self, vision: interfaces.Vision, memory: interfaces.Memory, **kwargs):
        super().__init__(**kwargs)
        if vision.latent_size != memory.latent_size:
            raise ValueError(
                f"latent size: V has {vision.latent_size}, M has {memory.latent_size}; train M "
                "again on V's series."
            )
        self.vision, self.memory = vision, memory
        self.observation_shape = tuple(vision.observation_shape)
        self.action_size, self.sizes = memory.action_size, _sizes(memory)
        self.state_spec = _state_spec(memory) | {STARTED: ()}
        self.built = True

    def input_specs(self) -> dict[str, keras.InputSpec]:
        """Shape and dtype of each input of `call`, by name."""
        shapes = {
            "observation": self.observation_shape,
            "reward": (),
            "action": (self.action_size,),
            "noise": (self.sizes["z"],),
        }
        shapes |= {f"state_{name}": shape for name, shape in self.state_spec.items()}
        return _specs(shapes, {"observation": observation_dtype(self.observation_shape)})

    def call(self, inputs):
        state = {name: inputs[f"state_{name}"] for name in self.state_spec}
        z, started = state.pop(LATENT), state.pop(STARTED)
        state = self.memory.step(state, z, inputs["action"], inputs["reward"])
        hidden = {name: _where_started(started, x) for name, x in self.memory.hidden(state).items()}
        state = {name: _where_started(started, x) for name, x in state.items()}
        mean, log_var = self.vision.encode(inputs["observation"])
        z = mean + ops.exp(log_var / 2) * inputs["noise"]
        state |= {LATENT: z, STARTED: ops.ones_like(started)}
        return {"z": z, **hidden, **{f"next_{name}": x for name, x in state.items()}}


def _where_started(started, x):
    """The values of x where started is 1, zeros where it is 0."""
    return x * ops.reshape(started, (-1, *[1] * (len(x.shape) - 1)))


class Imagination(keras.Model):
    """One step in a dream: M on the last z and the action, then a draw of the next z.

    See interfaces.Imagination. `call` maps a flat dict to a flat dict. In: action (B, A),
    temperature (B,), noise_component and noise_normal (B, Z), noise_terminated (B,) if M has a
    terminated head, and the state as state_<name> (B, ...). Out: z (B, Z), h (B, .), c (B, .) if M
    has one, reward and terminated (B,) if M has the heads, and next_<name>.

    Args:
        memory: a built M.
    """

    def __init__(self, memory: interfaces.Memory, **kwargs):
        super().__init__(**kwargs)
        self.memory, self.action_size, self.sizes = memory, memory.action_size, _sizes(memory)
        self.state_spec = _state_spec(memory) | {REWARD: ()}
        self.heads = tuple(
            name for name in ("reward", "terminated") if getattr(memory, f"{name}_head")
        )
        self.noise_spec = {"component": (memory.latent_size,), "normal": (memory.latent_size,)}
        if "terminated" in self.heads:
            self.noise_spec["terminated"] = ()
        self.built = True

    def input_specs(self) -> dict[str, keras.InputSpec]:
        """Shape and dtype of each input of `call`, by name."""
        shapes = {"action": (self.action_size,), "temperature": ()}
        shapes |= {f"noise_{name}": shape for name, shape in self.noise_spec.items()}
        shapes |= {f"state_{name}": shape for name, shape in self.state_spec.items()}
        return _specs(shapes)

    def call(self, inputs):
        state = {name: inputs[f"state_{name}"] for name in self.state_spec}
        z, reward = state.pop(LATENT), state.pop(REWARD)
        state = self.memory.step(state, z, inputs["action"], reward)
        noise = {name: inputs[f"noise_{name}"] for name in self.noise_spec}
        drawn = self.memory.sample(state, inputs["temperature"], noise)
        reward = drawn.get("reward", ops.zeros_like(reward))
        following = state | {LATENT: drawn["z"], REWARD: reward}
        following = {f"next_{name}": x for name, x in following.items()}
        return {**drawn, **self.memory.hidden(state), **following}


def _sizes(memory: interfaces.Memory) -> dict[str, int]:
    """The sizes of z, h and, if M has one, c."""
    hidden = memory.hidden(memory.initial_state(1))
    return {"z": memory.latent_size} | {name: x.shape[-1] for name, x in hidden.items()}


def _state_spec(memory: interfaces.Memory) -> dict[str, tuple[int, ...]]:
    """The parts of M's state, and z: name -> shape without the batch axis."""
    spec = {name: tuple(x.shape[1:]) for name, x in memory.initial_state(1).items()}
    return spec | {LATENT: (memory.latent_size,)}


def _specs(shapes: dict, dtypes: dict[str, str] | None = None) -> dict[str, keras.InputSpec]:
    """Named inputs of these shapes without the batch axis; float32 unless in `dtypes`."""
    dtypes = dtypes or {}
    return {
        name: keras.InputSpec(dtype=dtypes.get(name, "float32"), shape=(None, *shape), name=name)
        for name, shape in shapes.items()
    }


class KerasPerception:
    """Perception on NumPy arrays, run by Keras when there is no ONNX file.

    Args:
        model: the Perception; compiled on the first call with each batch size.
    """

    def __init__(self, model: Perception):
        self.model, self.sizes, self.state_spec = model, model.sizes, model.state_spec
        self.action_size, self.observation_shape = model.action_size, model.observation_shape

    def initial(self, batch: int) -> State:
        """The state before the first frame: zeros."""
        return {
            name: np.zeros((batch, *shape), np.float32) for name, shape in self.state_spec.items()
        }

    def __call__(self, observation, reward, action, noise, state):
        """See interfaces.Perception."""
        inputs = {"observation": observation, "reward": reward, "action": action, "noise": noise}
        inputs |= {f"state_{name}": x for name, x in state.items()}
        outputs = self.model.predict_on_batch(inputs)
        following = {name: outputs[f"next_{name}"] for name in self.state_spec}
        return outputs["z"], outputs["h"], outputs.get("c"), following


class KerasImagination:
    """Imagination on NumPy arrays, run by Keras when there is no ONNX file.

    Args:
        model: the Imagination; compiled on the first call with each batch size.
    """

    def __init__(self, model: Imagination):
        self.model, self.sizes, self.state_spec = model, model.sizes, model.state_spec
        self.action_size, self.heads = model.action_size, model.heads

    def __call__(self, action, temperature, noise, state):
        """See interfaces.Imagination."""
        inputs = {"action": action, "temperature": temperature} | {
            f"noise_{name}": noise[name] for name in self.model.noise_spec
        }
        inputs |= {f"state_{name}": x for name, x in state.items()}
        outputs = self.model.predict_on_batch(inputs)
        following = {name: outputs[f"next_{name}"] for name in self.state_spec}
        return (
            outputs["z"],
            outputs["h"],
            outputs.get("c"),
            outputs.get("reward"),
            outputs.get("terminated"),
            following,
        )


def load_memory(path: str | Path) -> keras.Model:
    """Load M from a .keras file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or Keras cannot load it.
    """
    return _load(path, memory_kinds, "train_memory")


def load_vision(path: str | Path) -> keras.Model:
    """Load V from a .keras file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or Keras cannot load it.
    """
    return _load(path, vision_kinds, "train_vision")


def _load(path: str | Path, kinds, made_by: str) -> keras.Model:
    if not Path(path).exists():
        raise FileNotFoundError(f"{path} is missing; make it first: {command_for(path, made_by)}")
    check_own(path)
    kinds.register()
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # the zip, the JSON and the HDF5 in it fail in their own ways
        raise ValueError(
            f"{path}: expected a network (.keras), received a file that Keras cannot load "
            f"({error}); make it again: {removed_first(path, command_for(path, made_by))}"
        ) from error


def load_perception(vision_file: str | Path, memory_file: str | Path) -> KerasPerception:
    """The perception built from two .keras files.

    Raises:
        FileNotFoundError: one is missing.
        ValueError: their latent sizes differ, or Keras cannot load a file.
    """
    return KerasPerception(Perception(load_vision(vision_file), load_memory(memory_file)))
