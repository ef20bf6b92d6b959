"""V and M run by ONNX Runtime, opened from a file. Knows no Keras, no environment and no kind of V
or M.

What a session's inputs and outputs are called tells all that is needed: every input state_<name>
comes back as next_<name>.
"""

import ctypes
from pathlib import Path

import numpy as np
import onnxruntime

from WorldModels.interfaces import State

STATE, NEXT, NOISE = "state_", "next_", "noise_"


class PerceptionSession:
    """V and M in the real world, from perception.onnx: see interfaces.Perception.

    Args:
        path: perception.onnx.
        threads: of one call.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no perception that ONNX Runtime can open.
    """

    def __init__(self, path: str | Path, threads: int = 1):
        self._session = open_session(path, threads)
        inputs = {x.name: tuple(x.shape[1:]) for x in self._session.get_inputs()}
        outputs = {x.name: x.shape for x in self._session.get_outputs()}
        self._names = list(outputs)
        self.state_spec = {
            name.removeprefix(STATE): shape
            for name, shape in inputs.items()
            if name.startswith(STATE)
        }
        expected = {"observation", "reward", "action", "noise"} - set(inputs)
        expected |= ({"z", "h"} | {NEXT + name for name in self.state_spec}) - set(outputs)
        if expected:
            raise ValueError(
                f"{path}: expected a perception with {', '.join(sorted(expected))}, received another model."
            )
        self.sizes = {name: outputs[name][-1] for name in ("z", "h", "c") if name in outputs}
        self.action_size, self.observation_shape = inputs["action"][0], inputs["observation"]

    def initial(self, batch: int) -> State:
        """The state before the first frame: zeros."""
        return {
            name: np.zeros((batch, *shape), np.float32) for name, shape in self.state_spec.items()
        }

    def __call__(self, observation, reward, action, noise, state):
        """See interfaces.Perception."""
        inputs = {"observation": observation, "reward": reward, "action": action, "noise": noise}
        for name in self.state_spec:
            inputs[STATE + name] = state[name]
        outputs = dict(zip(self._names, self._session.run(self._names, inputs), strict=True))
        return (
            outputs["z"],
            outputs["h"],
            outputs.get("c"),
            {name: outputs[NEXT + name] for name in self.state_spec},
        )


class ImaginationSession:
    """M as the world of a dream, from imagination.onnx: see interfaces.Imagination.

    Args:
        path: imagination.onnx.
        threads: of one call.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no imagination that ONNX Runtime can open.
    """

    def __init__(self, path: str | Path, threads: int = 1):
        self._session = open_session(path, threads)
        inputs = {x.name: tuple(x.shape[1:]) for x in self._session.get_inputs()}
        outputs = {x.name: x.shape for x in self._session.get_outputs()}
        self._names = list(outputs)
        self._noise = [name.removeprefix(NOISE) for name in inputs if name.startswith(NOISE)]
        self.state_spec = {
            name.removeprefix(STATE): shape
            for name, shape in inputs.items()
            if name.startswith(STATE)
        }
        missing = {"action", "temperature", NOISE + "normal"} - set(inputs)
        missing |= ({"z", "h"} | {NEXT + name for name in self.state_spec}) - set(outputs)
        if missing:
            raise ValueError(
                f"{path}: expected an imagination with {', '.join(sorted(missing))}, received another model."
            )
        self.sizes = {name: outputs[name][-1] for name in ("z", "h", "c") if name in outputs}
        self.action_size, self.heads = (
            inputs["action"][0],
            tuple(name for name in ("reward", "terminated") if name in outputs),
        )

    def __call__(self, action, temperature, noise, state):
        """See interfaces.Imagination."""
        inputs = {"action": action, "temperature": temperature} | {
            NOISE + name: noise[name] for name in self._noise
        }
        inputs |= {STATE + name: state[name] for name in self.state_spec}
        outputs = dict(zip(self._names, self._session.run(self._names, inputs), strict=True))
        following = {name: outputs[NEXT + name] for name in self.state_spec}
        return (
            outputs["z"],
            outputs["h"],
            outputs.get("c"),
            outputs.get("reward"),
            outputs.get("terminated"),
            following,
        )


def open_session(path: str | Path, threads: int = 1) -> onnxruntime.InferenceSession:
    """An ONNX Runtime session on the CPU for one process among many: few threads, none of them
    spinning, little memory.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: ONNX Runtime cannot open it.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"{path} is missing; train M (python -m WorldModels.train_memory) to make it."
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3  # errors only
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # its exceptions have no common class of their own
        raise ValueError(
            f"{path}: expected a model that ONNX Runtime opens, received a damaged file ({error})."
        ) from error
    _return_freed_memory()
    return session


def _return_freed_memory() -> None:
    # glibc keeps what parsing the file took; 10 MB of a worker's 90.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
