"""No flag is ignored: the table of when each setting acts, rule by rule, at the command line.

The table is the mark `acts` of the fields; a new field with one is tested without an edit here.
"""

import dataclasses
import importlib
import shlex
from typing import get_args

import pytest

from WorldModels import benchmark
from WorldModels.assembly.evolve import OF_THE_DREAM
from WorldModels.experiment.command import parse
from WorldModels.experiment.fields import flag_of, named, words_for
from WorldModels.experiment.games.registry import GAMES, game_of
from WorldModels.experiment.idle import refuse_idle
from WorldModels.experiment.presets import preset
from WorldModels.experiment.settings.experiment import Experiment

OWN = ("compare", "pictures", "play", "report", "temperatures")  # verbs with flags of their own
# What else must be typed with a value of a condition.
WITH = {
    ("vision.kind", "dense"): ["--env.observation", "vector"],
    ("env.observation", "vector"): ["--vision.kind", "dense"],
    ("memory.kind", "transformer"): ["--controller.features", "z"],
    ("memory.kind", "trade"): ["--controller.features", "z"],
}


def kind_of(verb):
    """The class that a verb parses its flags into."""
    module = importlib.import_module(f"WorldModels.{verb}")
    found = [each for each in vars(module).values() if isinstance(each, type)]
    own = [each for each in found if issubclass(each, Experiment) and each is not Experiment]
    return own[0] if own else Experiment


@dataclasses.dataclass(frozen=True)
class Rule:
    """A condition that some fields of a game share, beside others of theirs."""

    game: str
    verb: str
    on: str
    acts: dict
    names: list

    def __str__(self):
        return f"{self.game}-{self.names[0]}-{self.on}"

    @property
    def preset(self):
        """Each setting's field and value in the verb's preset, by dotted name."""
        settings = kind_of(self.verb)(**vars(preset(self.game, "smoke")))
        return {name: (field, value) for name, field, value in named(settings)}

    def holds(self, on):
        """Whether a fact of the game meets the condition on it."""
        game = game_of(preset(self.game, "smoke").env.id)
        return vars(game)[on.removeprefix("game.")] in self.acts[on]

    @property
    def met(self):
        """Values under which the fields act; None if they never do in this game."""
        games = [on for on in self.acts if on.startswith("game.")]
        given = {on: allowed[0] for on, allowed in self.acts.items() if on not in games}
        return given if all(map(self.holds, games)) else None

    @property
    def unmet(self):
        """Each set of values under which this condition does not hold, and the others do."""
        if self.on.startswith("game."):
            return [] if self.holds(self.on) else [{}]
        if self.met is None:
            return []
        others = {
            on: value
            for on, value in self.met.items()
            if on != self.on and self.on not in self.preset[on][0].metadata["acts"]
        }
        field, value = self.preset[self.on]
        values = get_args(field.type) or ((False, True) if field.type is bool else (value, 3))
        return [{self.on: each, **others} for each in values if each not in self.acts[self.on]]

    def typed(self, name, place=""):
        """The flag of a setting, or of another, with its value in the preset."""
        value = self.preset[name][1]
        return words_for(place or name, 1.25 if value is None else value)


def rules():
    """Every condition of every field: of each game's settings, and of verbs' own."""
    shared = {name for name, _, _ in named(preset("takecover", "smoke"))}
    found = {}
    for game in GAMES:
        for verb in ("record", *OWN):
            for name, field, _ in named(kind_of(verb)(**vars(preset(game, "smoke")))):
                for on in field.metadata["acts"] if verb == "record" or name not in shared else ():
                    key = (game, verb, on, str(field.metadata["acts"]))
                    rule = Rule(game, verb, on, field.metadata["acts"], [])
                    found.setdefault(key, rule).names.append(name)
    return list(found.values())


RULES = rules()


def flags(conditions):
    """The words that give settings these values."""
    words = []
    for on, value in conditions.items():
        words += [*words_for(on, value), *WITH.get((on, value), ())]
    return words


def refusal(verb, argv, capsys):
    """The line with which a verb refuses."""
    with pytest.raises(SystemExit) as stop:
        importlib.import_module(f"WorldModels.{verb}").main(argv)
    printed = capsys.readouterr()
    assert stop.value.code == 2 and printed.out == ""
    (line,) = printed.err.splitlines()
    return line


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_flag_is_accepted_where_it_acts_and_refused_where_it_does_not(rule, tmp_path, capsys):
    start = [rule.game, "--scale", "smoke", "--results", str(tmp_path / "run")]
    kind = kind_of(rule.verb)
    if rule.met is not None:
        words = [word for name in rule.names for word in rule.typed(name)]
        assert parse(rule.verb, [*start, *flags(rule.met), *words], settings=kind)
    line = ""
    for conditions in rule.unmet:
        others, instead = [*start, *flags(conditions)], []
        here = parse(rule.verb, others, settings=kind)
        for name in rule.names:
            said = said_of(name, here)
            assert said.startswith(f"{flag_of(name)}: nothing in this run uses it, received "), said
            instead += check_remedy(rule, name, said, here)
        if not line:  # as a user gets it
            line = refusal(rule.verb, [*others, *rule.typed(rule.names[0])], capsys)
            assert line.startswith(f"error: {flag_of(rule.names[0])}: nothing in this run uses it")
            check_remedy(rule, rule.names[0], line, here)
        if instead:
            parse(rule.verb, [*others, *instead], settings=kind)
    assert not (tmp_path / "run").exists()


def said_of(name, settings):
    """What is said of a flag that is typed beside these settings."""
    with pytest.raises(ValueError) as refused:
        refuse_idle(settings, frozenset({name}))
    return str(refused.value)


def check_remedy(rule, name, said, here):
    """The line names the flag that acts instead, whose words are given; or what is needed."""
    noun, _, field = name.rpartition(".")
    twin = {"controller": "dream", "dream": "controller"}.get(noun)
    if twin and rule.on == "controller.world" and hasattr(getattr(here, twin), field):
        remedy = rule.typed(name, f"{twin}.{field}")
        assert said.endswith(f"; give {shlex.join(remedy)} instead."), said
        return remedy
    assert said.endswith("; drop it."), said
    allowed = rule.acts[rule.on]
    if rule.on.startswith("game."):
        assert "it only acts in games with" in said, said
    elif isinstance(allowed[0], bool):
        assert f"it only acts with {words_for(rule.on, allowed[0])[0]};" in said, said
    else:
        needed = " or ".join(map(str, allowed))
        assert f"it only acts with {flag_of(rule.on)} {needed}, and here that is " in said, said
    return []


def test_the_table_has_the_rules_that_users_met():
    found = {(name, rule.on) for rule in RULES for name in rule.names}
    assert {"generations", "population_size", "rollouts", "sigma"} <= set(OF_THE_DREAM)
    for field in OF_THE_DREAM:
        for noun in ("controller", "dream"):
            assert (f"{noun}.{field}", "controller.world") in found
    assert {("temperature", "world"), ("record.random_start", "game.has_road")} <= found
    assert len(found) > 45 and {rule.game for rule in RULES} == set(GAMES)


@pytest.mark.parametrize(
    ("verb", "flags", "words"),
    [
        ("play", "--temperature 1.2", ("--temperature", "--world dream")),
        ("play", "--dream.temperature 1.2", ("--dream.temperature", "1.2", "--world dream")),
        ("play", "--world latent --dream.max-steps 9", ("--dream.max-steps", "--world dream")),
        (
            "play",
            "--world dream --temperature 1.2 --dream.temperature 1.3",
            ("--dream.temperature", "1.3", "--temperature 1.2"),
        ),
        ("play", "--workers 2", ("--workers", "2")),
        ("report", "--force", ("--force", "only reads")),
        ("pictures", "--iterations 2", ("--iterations", "2")),
        ("record", "--iterations 2", ("--iterations", "2", "--iteration K")),
        ("benchmark", "--quick --seconds 2", ("--seconds", "2", "--no-quick")),
        ("compare", "--tracks 3 --evaluate.tracks 4", ("--evaluate.tracks", "4", "--tracks 3")),
        ("compare", "--frames 9 --controller.steps 8", ("--controller.steps", "8", "--frames 9")),
        ("compare", "--controller.generations 8", ("--controller.generations", "8", "--frames")),
        (
            "temperatures",
            "--controller.world dream --dream.temperature 1.3",
            ("--dream.temperature", "1.3", "--temperatures 1.3"),
        ),
    ],
)
def test_a_flag_of_one_verb_that_does_nothing_beside_the_others_is_refused(
    verb, flags, words, tmp_path, capsys
):
    place = "--output" if verb == "benchmark" else "--results"
    line = refusal(verb, ["carracing", place, str(tmp_path / "made"), *flags.split()], capsys)
    assert all(word in line for word in words) and line.startswith(f"error: {words[0]}: "), line
    assert {path.name for path in tmp_path.glob("made/*")} <= {".lock", "log.txt"}


@pytest.mark.parametrize("flags", ["--vision.latent-size 16", "--memory.epochs 3", "--seed 2"])
def test_play_refuses_what_the_run_has_otherwise(flags, tmp_path, capsys):
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.json").write_text('{"name": "carracing", "scale": "smoke", "typed": {}}')
    line = refusal("play", ["carracing", "--results", str(run), *flags.split()], capsys)
    flag, value = flags.split()
    assert line.startswith(f"error: {flag}: {value} asked for, but {run} has "), line
    assert [path.name for path in run.iterdir()] == ["config.json"]


def test_the_benchmark_drives_in_several_processes_or_takes_no_workers(capsys):
    with pytest.raises(ValueError, match="--workers: expected none with --only dream"):
        benchmark.Settings(only="dream", workers=2)
    assert benchmark.Settings(only="dream,rollouts", workers=2).workers == 2
