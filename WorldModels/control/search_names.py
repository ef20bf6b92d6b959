"""The names that the state of an evolution may contain, and which of them it may call.

A strategy that holds an object of another class, or a new version of pycma that does, adds the name
here; a test saves and loads every strategy.
"""

import re
from collections.abc import Callable
from typing import Any

import numpy as np

OURS = "WorldModels.control"
# Where a class was when a run was made -> where it is now.
MOVED = {
    (f"{OURS}.evolution", "CMAES"): (f"{OURS}.strategies.cmaes", "CMAES"),
    (f"{OURS}.evolution", "_Normal"): (f"{OURS}.strategies.cmaes", "_Normal"),
}
PROGRESS = (f"{OURS}.generations", "Progress")
STRATEGIES = {
    f"{OURS}.strategies.cmaes": ("CMAES",),
    f"{OURS}.strategies.openes": ("OpenES",),
    f"{OURS}.strategies.pepg": ("PEPG", "SES"),
    f"{OURS}.strategies.genetic": ("GeneticAlgorithm",),
}
# Classes of the other objects in a search, ours and pycma's.
CLASSES = {
    f"{OURS}.generations": ("Progress",),
    f"{OURS}.strategies.adam": ("Adam",),
    f"{OURS}.strategies.cmaes": ("_Normal",),
    "cma.boundary_handler": ("BoundNone", "BoundTransform"),
    "cma.evolution_strategy": (
        "CMAEvolutionStrategy",
        "_CMASolutionDict_empty",
        "_CMASolutionDict_functional",
        "_CMAStopDict",
        "_StopTolXStagnation",
    ),
    "cma.logger": ("CMADataLogger",),
    "cma.optimization_tools": ("BestSolution",),
    "cma.options_parameters": ("CMAOptions", "CMAParameters"),
    "cma.recombination_weights": ("RecombinationWeights",),
    "cma.sampler": ("GaussFullSampler", "GaussStandardConstant"),
    "cma.sigma_adaptation": ("CMAAdaptSigmaCSA", "CMAAdaptSigmaTPA", "_TPAParameters"),
    "cma.transformations": ("DiagonalDecoding", "GenoPheno", "RoundIntegerVariables"),
    "cma.utilities.utils": (
        "BlancClass",
        "DictFromTagsInString",
        "ElapsedWCTime",
        "MoreToWrite",
        "SolutionDict",
    ),
}
# Functions and classes that a search only refers to; the file cannot call them.
REFERRED = {
    ("cma.evolution_strategy", "_pass"),
    ("cma.options_parameters", "is_feasible"),
    ("numpy", "ndarray"),
    ("numpy.linalg", "eigh"),
    ("numpy.random._pcg64", "PCG64"),
    ("numpy.random.bit_generator", "SeedSequence"),
}
NUMBER = re.compile("b1|[iu][1248]|f[248]")  # names of the data types of numbers


def _generator(bits: Any, constructor: Any = None) -> bool:
    named = constructor is None or getattr(constructor, "__name__", "") == "__bit_generator_ctor"
    return named and type(bits) is np.random.PCG64


# What the file may call -> whether it may with these arguments.
CALLS: dict[tuple[str, str], Callable[..., bool]] = {
    ("builtins", "range"): lambda *numbers: all(type(n) is int for n in numbers),
    ("numpy", "dtype"): (
        lambda name, *how: type(name) is str and NUMBER.fullmatch(name) and how == (False, True)
    ),
    ("numpy._core.multiarray", "_reconstruct"): (
        lambda kind, shape, code: kind is np.ndarray and code == b"b"
    ),
    ("numpy._core.multiarray", "scalar"): (
        lambda kind, value: isinstance(kind, np.dtype) and type(value) is bytes
    ),
    ("numpy._core.numeric", "_frombuffer"): lambda buffer, kind, *_: isinstance(kind, np.dtype),
    ("numpy.random._pickle", "__bit_generator_ctor"): lambda kind: kind is np.random.PCG64,
    ("numpy.random._pickle", "__generator_ctor"): _generator,
    ("numpy.random.bit_generator", "__pyx_unpickle_SeedSequence"): (
        lambda kind, *_: kind is np.random.SeedSequence
    ),
}
MADE = {
    (module, name)
    for group in (STRATEGIES, CLASSES)
    for module, names in group.items()
    for name in names
}
