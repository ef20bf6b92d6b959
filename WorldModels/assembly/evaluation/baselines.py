"""The blind policies to compare a driver and a dream with."""


def baseline_names(text: str) -> list[str]:
    """The policies in "uniform,stay,left", each once, in the order given.

    Raises:
        ValueError: an unknown name, or no name; the message lists the known ones.
    """
    from WorldModels.control.policies import POLICIES

    names = list(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in POLICIES:
            raise ValueError(
                f"--evaluate.baselines: expected names from {', '.join(POLICIES)}, "
                f"received {name or text!r}."
            )
    return names
