"""Reads the state of an evolution from state.pkl without running anything that the file says.

A pickle is a program: it names objects, calls them, and sets their attributes. This loader admits
the names of search_names.py only. It calls only functions, with the arguments that a search needs;
it creates objects without calling their constructors; and it sets only their data. So a state.pkl
that somebody sends can hold wrong numbers, but no code.
"""

import hashlib
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from WorldModels.control.search_names import CALLS, MADE, MOVED, PROGRESS, REFERRED, STRATEGIES
from WorldModels.experiment.damage import again

SUM = b"\nsha256 "  # before the sum at the end of a state.pkl
# Steps of a pickle that a search needs none of: other ways to name, create and call.
NEEDLESS = (
    *(pickle.INST, pickle.OBJ, pickle.NEWOBJ_EX, pickle.PERSID, pickle.BINPERSID),
    *(pickle.EXT1, pickle.EXT2, pickle.EXT4, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER),
)


class _Unpickler(pickle._Unpickler):
    """The unpickler written in Python, in which each step can be refused."""

    def __init__(self, file: io.BytesIO):
        super().__init__(file)
        self.names: dict[int, tuple[str, str]] = {}  # id of an admitted object -> its name
        self.kept: list[Any] = []  # so that those ids are not used again

    def find_class(self, module: str, name: str) -> Any:
        """The object that a name in the file refers to."""
        place = MOVED.get((module, name), (module, name))
        if place not in MADE | REFERRED | CALLS.keys():
            raise _refused(f"the name {module}.{name}")
        found = super().find_class(*place)
        self.names[id(found)] = place
        self.kept.append(found)
        return found

    def load_reduce(self) -> None:
        """Call a function."""
        function, arguments = self.stack[-2:]
        may = CALLS.get(self.names.get(id(function)))
        if may is None or type(arguments) is not tuple or not may(*arguments):
            raise _refused(f"this call of {_name(function)}")
        super().load_reduce()

    def load_newobj(self) -> None:
        """Create an object, without calling its constructor."""
        kind, arguments = self.stack[-2:]
        if self.names.get(id(kind)) not in MADE or arguments != ():
            raise _refused(f"an object of {_name(kind)}")
        super().load_newobj()

    def load_build(self) -> None:
        """Set the state of an object."""
        target, state = self.stack[-2:]
        if not _may_hold(target, state, self.names.get(id(type(target))) in MADE):
            raise _refused(f"this state of {_name(type(target))}")
        super().load_build()

    def load_append(self) -> None:
        """Append to a list; anything else could have an `append` of its own."""
        _check_grows(self.stack[-2], list)
        super().load_append()

    def load_appends(self) -> None:
        """Extend a list."""
        _check_grows(self.metastack[-1][-1], list)
        super().load_appends()

    def load_additems(self) -> None:
        """Add to a set."""
        _check_grows(self.metastack[-1][-1], set)
        super().load_additems()

    def load_needless(self) -> None:
        """Refuse a step of NEEDLESS."""
        raise _refused("a step")

    dispatch = {
        **pickle._Unpickler.dispatch,
        **dict.fromkeys((code[0] for code in NEEDLESS), load_needless),
        pickle.REDUCE[0]: load_reduce,
        pickle.NEWOBJ[0]: load_newobj,
        pickle.BUILD[0]: load_build,
        pickle.APPEND[0]: load_append,
        pickle.APPENDS[0]: load_appends,
        pickle.ADDITEMS[0]: load_additems,
    }


def _check_grows(target: Any, kind: type) -> None:
    if not isinstance(target, kind):
        raise _refused(f"adding to {_name(type(target))}")


def _may_hold(target: Any, state: Any, made: bool) -> bool:
    """Whether an object may get this state.

    Args:
        target: the object.
        state: of it.
        made: its class is one of CLASSES or STRATEGIES: the state is a dict of attributes, none of
            which hides a method.
    """
    if made:
        return type(state) is dict and all(_is_data(type(target), name) for name in state)
    if isinstance(target, np.dtype):  # a number's byte order, and nothing else
        return state in [(3, order, None, None, None, -1, -1, 0) for order in "<>|="]
    if type(target) is np.ndarray:
        return type(state) is tuple and isinstance(state[2], np.dtype) and type(state[4]) is bytes
    return type(target) in (np.random.Generator, np.random.PCG64, np.random.SeedSequence)


def _is_data(kind: type, name: Any) -> bool:
    """Whether an attribute of this name hides no method of a class."""
    plain = type(name) is str and not name.startswith("__")
    return plain and not callable(getattr(kind, name, None))


def _name(thing: Any) -> str:
    named = thing if hasattr(thing, "__qualname__") else type(thing)
    return f"{named.__module__}.{named.__qualname__}"


def _refused(what: str) -> pickle.UnpicklingError:
    return pickle.UnpicklingError(f"{what} has no place in a search")


def with_sum(state: bytes) -> bytes:
    """A pickled state and its sum, at which no unpickler looks."""
    return state + SUM + hashlib.sha256(state).hexdigest().encode()


def _without_sum(content: bytes) -> bytes:
    """The state in a file; an earlier version's has no sum and ends as a pickle does.

    Raises:
        UnpicklingError: it is another one than was written.
    """
    state, mark, sum_ = content.rpartition(SUM)
    if not mark and content.endswith(pickle.STOP):
        return content
    if hashlib.sha256(state).hexdigest().encode() != sum_:
        raise pickle.UnpicklingError("its sum differs")
    return state


def load_state(folder: Path) -> tuple[Any, Any] | None:
    """The evolution and its Progress after the last complete generation; None if there is none.

    Args:
        folder: the evolution's folder, see generations.Generations.

    Raises:
        ValueError: the file is damaged, or holds something that is no part of a search; nothing
            of it was run.
    """
    path = folder / "state.pkl"
    if not path.exists():
        return None
    try:
        return _checked(_Unpickler(io.BytesIO(_without_sum(path.read_bytes()))))
    except Exception as error:
        raise ValueError(
            f"{path}: expected the state of an evolution, received a damaged or foreign file "
            f"({error}); begin it again: {again(path) or 'use --force.'}"
        ) from None


def check_states(folder: Path) -> None:
    """Refuse a damaged state.pkl, in a folder or below, before anything is written there.

    Raises:
        ValueError: see `load_state`.
    """
    for path in sorted(folder.rglob("state.pkl")):
        load_state(path.parent)


def _checked(unpickler: _Unpickler) -> tuple[Any, Any]:
    state = unpickler.load()
    if type(state) is not tuple or len(state) != 2:
        raise _refused(f"a {type(state).__name__}")
    evolution, progress = (unpickler.names.get(id(type(each)), ("", "")) for each in state)
    if evolution[1] not in STRATEGIES.get(evolution[0], ()) or progress != PROGRESS:
        raise _refused(f"a pair of {evolution[1] or '?'} and {progress[1] or '?'}")
    return state
