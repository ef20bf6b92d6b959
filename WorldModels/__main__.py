"""`python -m WorldModels` lists the verbs; `python -m WorldModels VERB ...` runs one."""

import importlib
import sys

VERBS = {
    "record": "drive at random, or with a trained controller -> episodes/",
    "train_vision": "episodes/ -> vision.keras: learn to see",
    "encode": "episodes/ + vision.keras -> series/: every frame as a latent vector",
    "train_memory": "series/ -> memory.keras: learn to remember and predict",
    "train_controller": "vision + memory -> controller/: evolve a driver",
    "evaluate": "all of it -> evaluation.json, videos: the score on 100 test tracks",
    "play": "drive yourself: in the real game, as V sees it, or in the dream",
    "temperatures": "one driver evolved at each temperature of the dream, tested in the real game",
    "compare": "kinds of memory, vision or evolution side by side, each in its own folder",
    "report": "a run on one page -> report.html, with its scores, films, curves and settings",
    "pictures": "a run's pictures for a README -> imgs/: frames, a drive, a dream, a curve",
    "estimate": "how long an experiment takes on this machine",
    "benchmark": "how fast each stage runs here, against the machine's limit",
}


def main(argv: list[str] | None = None) -> None:
    """Run the verb that the first argument names, with the remaining arguments."""
    verb, *rest = (sys.argv[1:] if argv is None else argv) or ["--help"]
    if verb in ("-h", "--help"):
        print("python -m WorldModels VERB EXPERIMENT [--flags]    (VERB --help lists the flags)\n")
        print("\n".join(f"  {name:17} {meaning}" for name, meaning in VERBS.items()))
        return
    if verb not in VERBS:
        print(
            f"error: verb: expected one of {', '.join(VERBS)}, received {verb!r}.", file=sys.stderr
        )
        raise SystemExit(2)
    importlib.import_module(f"WorldModels.{verb}").main(rest)


if __name__ == "__main__":
    main()
