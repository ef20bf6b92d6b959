"""What a stage is going to train in, as far as it is known without timing anything."""

from pathlib import Path

from WorldModels.experiment.choice import (
    WORTH_TIMING,
    Choice,
    best_of,
    earlier_times,
    kept_choice,
    open_choices,
)


def foreseen(
    name: str,
    asked: Choice,
    facts: dict | None,
    amount: float,
    sizes: dict,
    where: dict,
    otherwise: Path | None = None,
) -> tuple[Choice, int]:
    """The choice of a stage, and how many choices it has yet to time.

    If there are some, the choice is the usual one.

    Args:
        name: the stage's.
        asked: see choice.choose, as for `amount` and `sizes`.
        facts: the contents of the stage's file; None if it has not begun.
        amount: frames or steps of episodes in the complete training.
        sizes: what a step's time depends on.
        where: see choice.fastest, as for `otherwise`.
        otherwise: a folder that may keep times.
    """
    if facts:
        return kept_choice(facts, asked), 0
    choices = open_choices(asked, where["device"])
    if len(choices) == 1 or amount < WORTH_TIMING[name]:
        return choices[0], 0
    _, _, turns = earlier_times(choices, sizes, where, otherwise)
    return (choices[best_of(turns)], 0) if turns else (choices[0], len(choices))
