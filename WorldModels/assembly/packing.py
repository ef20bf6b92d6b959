"""Packs the networks of a run into the package, and makes a run of such a pack.

    python -m WorldModels.assembly.packing pack results/carracing-night pretrained/carracing
    python -m WorldModels.assembly.packing unpack pretrained/carracing results/carracing-again

What a pack consists of: see experiment/pretrained.py. V and M never change once they are packed;
C and the rows of its search are packed again as it goes on.
"""

import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from WorldModels.experiment.damage import check_own, sums_of
from WorldModels.experiment.files import atomic, read_json, sum_of, write_json
from WorldModels.experiment.pretrained import (
    DRIVER,
    LATENTS,
    MADE_FROM,
    NETWORKS,
    PREFIX,
    ROWS,
    SETTINGS,
    settings_of,
    sum_of_all,
    weights_of,
)
from WorldModels.experiment.stage import FORMAT
from WorldModels.experiment.stages import GIVEN, STAGES, iterations_in, stage_facts, stage_file
from WorldModels.experiment.sums import WeightsSum

MOST_BYTES = 14 * 10**6  # of a pack
MOST_LATENTS = 200  # first latents in a pack
KEPT = ("settings", "budgets", "generation", "frames", "best_generation")  # of a stage's file


def pack(folder: Path, target: Path) -> None:
    """Write a run's V and M, if they are not packed yet, and its driver as far as it has come.

    Args:
        folder: of the run; its latest iteration counts.
        target: the pack's folder.

    Raises:
        ValueError: V or M is not complete or not the one that is packed already, or has weights
            that float16 does not hold exactly; or the pack would be too large.
    """
    path = folder / str(iterations_in(folder)[-1])
    facts = {stage: stage_facts(path, stage) or {} for stage in STAGES}
    for stage in ("vision", "memory"):
        if not facts[stage].get("complete"):
            raise ValueError(f"{path}: expected a complete {stage}, received none; train it first.")
        check_own(path / f"{stage}.keras")
    with atomic(target) as temporary:
        temporary.mkdir()
        configs = _write_networks(path, temporary)
        if (target / SETTINGS).exists() and sum_of(target / NETWORKS) != sum_of(
            temporary / NETWORKS
        ):
            raise ValueError(
                f"{target}: expected the V and M that are packed there, received others; give "
                "another name, or remove it first."
            )
        _write_driver(path, temporary)
        made = {stage: _kept(facts[stage]) for stage in facts if _is_packed(stage, facts[stage])}
        made["vision"]["settings"]["env"] = facts["episodes"]["settings"]["env"]
        sums = {each.name: [each.stat().st_size, sum_of(each)] for each in temporary.iterdir()}
        memo = read_json(folder / "config.json")
        run = {"experiment": memo["name"], "scale": memo["scale"]}
        write_json(temporary / SETTINGS, run | {"stages": made, "networks": configs, "sums": sums})
        if (size := sum(each.stat().st_size for each in temporary.iterdir())) > MOST_BYTES:
            raise ValueError(
                f"{target}: expected at most {MOST_BYTES:,} bytes, received {size:,}; train "
                "smaller networks."
            )


def _is_packed(stage: str, facts: dict) -> bool:
    """Whether a pack says what a stage was made with; C's search may still be under way."""
    return stage in ("vision", "memory") or (stage == "controller" and bool(facts))


def _kept(facts: dict) -> dict:
    return {each: facts[each] for each in KEPT if each in facts}


def _write_networks(path: Path, target: Path) -> dict[str, dict]:
    """Write the weights of V and M, and where dreams begin; return what each is built from."""
    from safetensors.numpy import save_file

    from WorldModels.assembly.models import load_memory, load_vision

    configs, weights = {}, {}
    for noun, load in (("vision", load_vision), ("memory", load_memory)):
        network = load(path / f"{noun}.keras")
        configs[noun] = network.get_config()
        for name, variable in _variables(network, noun).items():
            value = np.asarray(variable)
            weights[name] = value.astype(np.float16)
            if not np.array_equal(weights[name].astype(np.float32), value):
                raise ValueError(
                    f"{path / noun}.keras: expected weights that float16 holds exactly, received "
                    f"others; train with --{noun}.weights float16, as --scale night does."
                )
    save_file(weights, target / NETWORKS)
    with np.load(path / LATENTS, allow_pickle=False) as file:
        every = -(-len(file["mean"]) // MOST_LATENTS)
        np.savez(target / LATENTS, **{name: file[name][::every] for name in file.files})
    return configs


def _variables(network: Any, noun: str) -> dict[str, Any]:
    """A network's weights, by name; the states of random generators are none."""
    float32 = (each for each in network.variables if each.dtype == "float32")
    return {f"{noun}/{each.path}": each for each in float32}


def _write_driver(path: Path, target: Path) -> None:
    """Write the best driver of a search that is over, or the mean of one that is under way."""
    complete = (stage_facts(path, "controller") or {}).get("complete")
    for name, source in ((DRIVER, "best.npz" if complete else "mean.npz"), (ROWS, ROWS)):
        if (path / "controller" / source).exists():
            shutil.copyfile(path / "controller" / source, target / name)


def unpack(source: Path, folder: Path) -> None:
    """Make the run of a trained driver, complete or not at all.

    Args:
        source: the pack's folder.
        folder: the run's; it must not exist.

    Raises:
        ValueError: the pack is damaged.
    """
    settings = settings_of(source)
    with atomic(folder) as temporary:
        path = temporary / "0"
        path.mkdir(parents=True)
        _build(source, settings["networks"], path)
        shutil.copyfile(source / LATENTS, path / LATENTS)
        given = {GIVEN: f"{PREFIX}{source.name}"}
        vision = {"vision": WeightsSum(path / "vision.keras")}
        networks = vision | {"memory": WeightsSum(path / "memory.keras")}
        inputs = {"vision": {}, "series": vision, "memory": vision, "controller": networks}
        stages = settings["stages"]
        stages["series"] = {"settings": {"seed": stages["vision"]["settings"]["seed"]}}
        if (source / DRIVER).exists():
            _give_driver(source, path)
        else:
            stages.pop("controller", None)
        for stage, facts in stages.items():
            _write_stage(path, stage, facts | given | {"inputs": inputs[stage]})
        memo = {"name": settings["experiment"], "scale": settings["scale"], "typed": {}}
        write_json(temporary / "config.json", memo)
        write_json(temporary / MADE_FROM, {"pack": sum_of_all(source)})


def _build(source: Path, configs: dict[str, dict], path: Path) -> None:
    """Write V, M and their exports."""
    from WorldModels.assembly.models import Imagination, Perception
    from WorldModels.export.files import export_memory, export_vision, unavailable
    from WorldModels.memory.kinds import memory_class
    from WorldModels.vision.kinds import vision_class

    stages, weights, networks = settings_of(source)["stages"], weights_of(source), {}
    for noun, class_of in (("vision", vision_class), ("memory", memory_class)):
        kind = stages[noun]["settings"][noun]["kind"]
        networks[noun] = network = class_of(kind).from_config(configs[noun])
        for each, variable in _variables(network, noun).items():
            variable.assign(weights[each].astype(np.float32))
        network.save(path / f"{noun}.keras")
    if not unavailable():
        vision, memory = networks.values()
        export_vision(vision, path)
        export_memory(memory, Perception(vision, memory), Imagination(memory), path)


def _give_driver(source: Path, path: Path) -> None:
    (path / "controller").mkdir()
    for name, packed in (("best.npz", DRIVER), ("mean.npz", DRIVER), (ROWS, ROWS)):
        if (source / packed).exists():
            shutil.copyfile(source / packed, path / "controller" / name)


def _write_stage(path: Path, stage: str, facts: dict) -> None:
    """Write the file of a given stage, which is complete whatever its budgets."""
    sums = sums_of(path, STAGES[stage].outputs, {}, 0)
    state = {"format": FORMAT, "budgets": {}, "complete": True, "ended": time.time(), "sums": sums}
    write_json(stage_file(path, stage), state | facts)


def main(argv: list[str] | None = None) -> None:
    """Pack or unpack, as typed."""
    words = sys.argv[1:] if argv is None else argv
    if len(words) != 3 or words[0] not in ("pack", "unpack"):
        raise SystemExit(
            f"error: packing: expected pack RUN PACK or unpack PACK RUN, received "
            f"{' '.join(words) or 'nothing'}."
        )
    try:
        work = {"pack": pack, "unpack": unpack}[words[0]]
        work(Path(words[1]), Path(words[2]))
    except (ValueError, OSError, ImportError) as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()
