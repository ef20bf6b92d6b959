"""What a stage's output was made with, and what that means today: contradict, redo, return, or go
on.

A verb asks in this order: (1) does a setting contradict its input or its own earlier output? (2)
was its input made anew
since? (3) is it complete? (4) else it runs, continuing what is there.
"""

import math
import os
import shutil
from pathlib import Path

from WorldModels.experiment.fields import plain, split
from WorldModels.experiment.files import atomic, hash_files, read_json, remove, write_json
from WorldModels.experiment.settings.experiment import Experiment

# Stage: its outputs in the iteration's folder, the nouns whose settings it depends on, the stages
# that it reads.
OUTPUTS = {
    "episodes": ("episodes",),
    "vision": (
        "vision.keras",
        "vision",
        "vision.csv",
        "vision_epochs",
        "encode.onnx",
        "decode.onnx",
        "tensorboard/vision",
        "checkpoints/vision",
    ),
    "series": ("series", "first_latents.npz"),
    "memory": (
        "memory.keras",
        "memory",
        "memory.csv",
        "memory_epochs",
        "perception.onnx",
        "memory_step.onnx",
        "memory_sample.onnx",
        "memory_sequence.onnx",
        "imagination.onnx",
        "tensorboard/memory",
        "checkpoints/memory",
    ),
    "controller": ("controller", "tensorboard/controller"),
    "temperatures": ("temperatures",),
    "evaluation": (
        "evaluation.json",
        "evaluation",
        "real.mp4",
        "reconstructed.mp4",
        "reconstructed.gif",
        "dream.mp4",
        "dream.gif",
        "figures",
    ),
}
NOUNS = {
    "episodes": ("env", "record"),
    "vision": ("vision",),
    "series": (),
    "memory": ("memory",),
    "controller": ("env", "controller"),
    "temperatures": ("env", "controller", "dream"),
    "evaluation": ("evaluate",),
}
READS = {
    "episodes": (),
    "vision": ("episodes",),
    "series": ("episodes", "vision"),
    "memory": ("vision", "series"),
    "controller": ("vision", "memory"),
    "temperatures": ("vision", "memory"),
    "evaluation": ("vision", "memory", "controller"),
}
# What a stage hands on: the settings that whoever reads its output must share.
SHAPE = {
    "episodes": {"env": ("id", "observation", "frame_size")},
    "vision": {
        "vision": (
            "kind",
            "latent_size",
            "encoder_filters",
            "decoder_filters",
            "kernel_size",
            "depth",
            "hidden_sizes",
            "decoder_hidden_sizes",
        )
    },
    "series": {},
    "memory": {
        "memory": (
            "kind",
            "trade",
            "lstm_size",
            "hidden_size",
            "width",
            "num_layers",
            "num_heads",
            "feed_forward",
            "window",
            "num_mixtures",
            "mixture",
            "restart_input",
            "action_threshold",
            "reward_head",
            "terminated_head",
        )
    },
    "controller": {
        "controller": ("features", "num_hidden", "bias", "latent"),
        "env": ("id", "observation", "frame_size"),
    },
}
# What a stage of iteration k takes from iteration k - 1 by settings of --iterate; at iteration 0
# nothing.
ITERATES = {
    "episodes": ("controller_share",),
    "vision": ("episodes", "networks"),
    "series": ("episodes",),
    "memory": ("networks",),
    "controller": ("controller",),
    "temperatures": (),
    "evaluation": (),
}
VERBS = {
    "episodes": "record",
    "vision": "train_vision",
    "series": "encode",
    "memory": "train_memory",
    "controller": "train_controller",
    "temperatures": "temperatures",
    "evaluation": "evaluate",
}


class Stage:
    """One stage of one iteration.

    Args:
        run: the open `Run`.
        name: a key of OUTPUTS.
        inputs: hashes of the files that the output is made from.

    Attributes:
        done: budgets that lie there already (empty at the start).
        complete: nothing is left to do at the present budget.
        anew: what lies there is removed when the stage begins.

    Raises:
        ValueError: a setting contradicts an input or the stage's own earlier output.
    """

    def __init__(self, run, name: str, inputs: dict[str, str]):
        self.run, self.name, self.inputs = run, name, inputs
        self.file = run.path / "stages" / f"{name}.json"
        self.settings, self.budgets = stage_settings(run.experiment, name, run.iteration)
        for read in (
            dict.fromkeys(("episodes", *READS[name])) if name != "episodes" else ()
        ):  # the environment before all else
            self._check_input(read)
        if run.experiment.reuse and not self.file.exists():
            _reuse(self, Path(run.experiment.reuse))
        facts = read_json(self.file) or {}
        self.anew = bool(run.experiment.force and facts)
        if self.anew:
            run.say(f"{name}: made anew, as --force asks.")
            facts = {}
        if facts:
            self._check_own(facts)
        if facts and facts["inputs"] != inputs:
            changed = [k for k in inputs if facts["inputs"].get(k) != inputs[k]]
            run.say(
                f"{name}: its input ({', '.join(changed)}) is another than before; {name} is made anew."
            )
            self.anew, facts = True, {}
        self.done = facts.get("budgets", {}) if facts.get("complete") else {}
        self.complete = bool(facts.get("complete")) and all(
            _number(self.done.get(k)) >= _number(v) for k, v in self.budgets.items()
        )

    def _check_input(self, read: str) -> None:
        facts = read_json(self.run.path / "stages" / f"{read}.json")
        for noun, names in SHAPE[read].items() if facts else ():
            for name in names:
                there, here = (
                    facts["settings"].get(noun, {}).get(name),
                    plain(getattr(getattr(self.run.experiment, noun), name)),
                )
                if there is not None and there != here:
                    raise ValueError(
                        f"{_flag(noun, name)}: {_show(here)} asked for, but {self.run.path}'s {read} were made with {_show(there)}; "
                        f"give {_flag(noun, name)} {_show(there)}, or another folder with --results FOLDER."
                    )

    def _check_own(self, facts: dict) -> None:
        for noun, fields in self.settings.items():
            there = facts["settings"].get(noun)
            for name in fields if isinstance(fields, dict) else [None]:
                new, old = (fields[name], (there or {}).get(name)) if name else (fields, there)
                if old is not None and new != old:
                    flag = _flag(noun, name) if name else f"--{noun}"
                    raise ValueError(
                        f"{flag}: {_show(new)} asked for, but the {self.name} in {self.run.path} were made with {_show(old)}; "
                        f"keep {_show(old)}, take another folder with --results FOLDER, or make them anew with --force."
                    )

    def begin(self, **facts) -> None:
        """Note what the output is being made with, before the first of it is written; call it once
        nothing can be refused any more.
        """
        if self.anew:
            self.clear()
            self.anew = False
        self.run.write_config()
        self._write(False, facts)

    def finish(self, **facts) -> None:
        """Note that the output is complete at the present budget."""
        self.complete, self.done = True, self.budgets
        self._write(True, facts)

    def _write(self, complete: bool, facts: dict) -> None:
        budgets = {k: str(v) if _number(v) == math.inf else v for k, v in self.budgets.items()}
        write_json(
            self.file,
            {
                "settings": self.settings,
                "budgets": budgets,
                "inputs": self.inputs,
                "complete": complete,
                **facts,
            },
        )

    def clear(self) -> None:
        """Remove the stage's output."""
        for output in OUTPUTS[self.name]:
            remove(self.run.path / output)
        remove(self.file)


def stage_settings(experiment: Experiment, name: str, iteration: int = 0) -> tuple[dict, dict]:
    """The settings that a stage's output depends on in an iteration, by noun, and its budgets by
    name.
    """
    settings: dict = {"seed": experiment.seed}
    budgets: dict = {}
    dreams = name == "controller" and experiment.controller.world != "real"
    for noun in (*NOUNS[name], *["dream"] * dreams):
        settings[noun], more = split(getattr(experiment, noun))
        budgets |= {
            f"dream.{field}" if noun == "dream" else field: value for field, value in more.items()
        }
    if iteration and ITERATES[name]:
        settings["iterate"] = {
            field: plain(getattr(experiment.iterate, field)) for field in ITERATES[name]
        }
    return settings, budgets


def _reuse(stage: Stage, folder: Path) -> None:
    """Take a complete stage's output from another run, where the settings agree."""
    if stage.name not in ("episodes", "vision", "series", "memory"):
        return
    iterations = [p for p in folder.iterdir() if p.name.isdigit()] if folder.is_dir() else []
    if not iterations:
        raise FileNotFoundError(
            f"--reuse: expected the folder of a run, received {folder}; name one such as results/carracing."
        )
    same = [p for p in iterations if int(p.name) == stage.run.iteration]
    source = max(same or iterations, key=lambda p: int(p.name))
    facts = read_json(source / "stages" / f"{stage.name}.json")
    if not facts or not facts["complete"]:
        return stage.run.say(f"{stage.name}: {source} has none that is complete; made here.")
    if (
        _known(facts["settings"]) != _known(stage.settings)
        or facts["inputs"] != stage.inputs
        or not _same_episodes(stage, source)
    ):
        return stage.run.say(
            f"{stage.name}: {source}'s were made with other settings or from another input; made here."
        )
    for output in OUTPUTS[stage.name]:
        _copy(source / output, stage.run.path / output)
    stage.run.say(f"{stage.name}: taken from {source}.")
    write_json(stage.file, facts)


def _known(settings: dict) -> dict:
    """A stage's settings by noun; what its file lacks, because an earlier version wrote it, is as
    it was then: the default.
    """
    defaults = Experiment()
    return {
        noun: {**split(getattr(defaults, noun))[0], **there} if isinstance(there, dict) else there
        for noun, there in settings.items()
    }


def _same_episodes(stage: Stage, source: Path) -> bool:
    """Whether what the stage was made from, V from pictures of a size and series from episodes, is
    what lies here.
    """
    if stage.name == "vision":
        facts = read_json(source / "stages" / "episodes.json")
        there, here = (
            _known(facts["settings"])["env"] if facts else {},
            plain(stage.run.experiment.env),
        )
        return all(there.get(name) == here[name] for name in SHAPE["episodes"]["env"])
    if stage.name == "series":
        here = stage.run.need_episodes()
        there = (
            [source / "episodes"]
            if len(here) == 1
            else [source.parent / path.relative_to(stage.run.folder) for path in here]
        )
        return all(
            len({hash_files(list(path.glob("*.npz"))) for path in pair}) == 1
            for pair in zip(here, there, strict=True)
        )
    return True


def _copy(source: Path, target: Path) -> None:
    """Copy a file or folder, complete or not at all."""
    if not source.exists():
        return
    with atomic(target) as temporary:
        if source.is_dir():
            shutil.copytree(source, temporary, copy_function=_link_or_copy)
        else:
            shutil.copy2(source, temporary)


def _link_or_copy(source, target) -> None:
    # Episodes and series are never changed in place, so a link is as good as a copy; logs are
    # appended to.
    if str(source).endswith(".npz"):
        try:
            return os.link(source, target)
        except OSError:
            pass
    shutil.copy2(source, target)


def _flag(noun: str, name: str) -> str:
    return f"--{noun}.{name}".replace("_", "-")


def _show(value) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _number(value) -> float:
    return -math.inf if value is None else float(value)
