"""V and M, loaded from ONNX files and run by ONNX Runtime.

The names of a session's inputs and outputs describe it completely: each input state_<name> comes
back as the output next_<name>.
"""

import ctypes
from pathlib import Path

import numpy as np
import onnxruntime

from WorldModels.experiment.damage import check_own
from WorldModels.experiment.machine import cores
from WorldModels.experiment.remedies import command_for, removed_first
from WorldModels.experiment.sums import OF_VISION, WEIGHTS, present_sum
from WorldModels.interfaces import State

STATE, NEXT, NOISE = "state_", "next_", "noise_"


class PerceptionSession:
    """V and M in the real world, from perception.onnx: see interfaces.Perception.

    Args:
        path: perception.onnx.
        threads: number of threads a call may use.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: ONNX Runtime cannot open the file, or it is not a perception.
    """

    def __init__(self, path: str | Path, threads: int = 1):
        self._session = open_session(path, threads)
        inputs, outputs = _shapes(self._session)
        self._names, self.state_spec = list(outputs), _state_spec(inputs)
        needed = {"observation", "reward", "action", "noise"}
        _require(path, "perception", needed, self.state_spec, inputs, outputs)
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
        threads: number of threads a call may use.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: ONNX Runtime cannot open the file, or it is not an imagination.
    """

    def __init__(self, path: str | Path, threads: int = 1):
        self._session = open_session(path, threads)
        inputs, outputs = _shapes(self._session)
        self._names, self.state_spec = list(outputs), _state_spec(inputs)
        self._noise = [name.removeprefix(NOISE) for name in inputs if name.startswith(NOISE)]
        needed = {"action", "temperature", NOISE + "normal"}
        _require(path, "imagination", needed, self.state_spec, inputs, outputs)
        self.sizes = {name: outputs[name][-1] for name in ("z", "h", "c") if name in outputs}
        self.action_size = inputs["action"][0]
        self.heads = tuple(name for name in ("reward", "terminated") if name in outputs)

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


def _shapes(session) -> tuple[dict, dict]:
    """Name -> shape of a session's inputs, without the batch axis, and of its outputs, with it."""
    inputs = {x.name: tuple(x.shape[1:]) for x in session.get_inputs()}
    return inputs, {x.name: x.shape for x in session.get_outputs()}


def _state_spec(inputs: dict) -> dict[str, tuple[int, ...]]:
    return {
        name.removeprefix(STATE): shape for name, shape in inputs.items() if name.startswith(STATE)
    }


def _require(path, what: str, needed: set[str], state_spec, inputs, outputs) -> None:
    """Refuse a file that lacks inputs or outputs."""
    missing = needed - set(inputs)
    missing |= ({"z", "h"} | {NEXT + name for name in state_spec}) - set(outputs)
    if missing:
        article = "an" if what[0] in "aeiou" else "a"
        raise ValueError(
            f"{path}: expected {article} {what}, received a model without "
            f"{', '.join(sorted(missing))}."
        )


def open_session(path: str | Path, threads: int = 1) -> onnxruntime.InferenceSession:
    """An ONNX Runtime session on the CPU, for one process among many.

    Its threads do not spin while they wait, and it takes little memory.

    Args:
        path: of the file.
        threads: number of threads a call may use; 0: one per core.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, ONNX Runtime cannot open it, or it was exported from other
            weights than the networks in its folder have.
    """
    verb = "train_vision" if Path(path).name in OF_VISION else "train_memory"
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"{path} is missing; train {'V' if verb == 'train_vision' else 'M'} to make it: "
            f"{command_for(path, verb)}"
        )
    check_own(path)
    try:
        session = onnxruntime.InferenceSession(
            str(path), _options(threads), providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # its exceptions share no base class of their own
        raise ValueError(
            f"{path}: expected a model that ONNX Runtime can open, received a damaged or foreign "
            f"file; export it again: {removed_first(path, command_for(path, verb))}. ONNX Runtime "
            f"says: {error}"
        ) from error
    _return_freed_memory()
    _require_present_weights(session, Path(path), verb)
    return session


def _require_present_weights(session: onnxruntime.InferenceSession, path: Path, verb: str) -> None:
    """Refuse a file that was exported from other weights than the networks beside it have."""
    carried = session.get_modelmeta().custom_metadata_map.get(WEIGHTS)
    present = present_sum(path) if carried else ""
    if present and carried != present:
        raise ValueError(
            f"{path}: expected the weights of the .keras files beside it, received an export of "
            f"others; export it again: {command_for(path, verb)}"
        )


def _options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    # Told no number, ONNX Runtime ties each thread to a core, which some containers refuse.
    options.intra_op_num_threads, options.inter_op_num_threads = threads or cores(), 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3  # errors only
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _return_freed_memory() -> None:
    # glibc keeps the memory that parsing the file took: 10 MB of a worker's 90.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
