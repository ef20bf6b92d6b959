"""The paper's table of temperatures: one driver evolved in the dream at each, tested in the game.

    python -m WorldModels.temperatures takecover    # 0.1, 0.5, 1.0, 1.15, 1.3 (section 4, table 2)
    python -m WorldModels.temperatures takecover --temperatures 0.5 1.0 --games 20

All drivers share one M and get the same number of generations. A second table scores the run's own
driver in dreams at each temperature. Everything goes to 0/temperatures/; finished results are kept,
and an interrupted table continues where it stopped.
"""

from dataclasses import dataclass, replace

import numpy as np

from WorldModels.experiment.command import run_verb
from WorldModels.experiment.fields import budget, free
from WorldModels.experiment.files import read_json, write_json
from WorldModels.experiment.games.registry import game_of
from WorldModels.experiment.lineage import require_own_memory
from WorldModels.experiment.run import Run
from WorldModels.experiment.settings.experiment import Experiment
from WorldModels.experiment.sums import WeightsSum

FIRST_SEED = 7_000_000  # of the real games; nothing else in the project uses these seeds
DREAMS = 256  # that score each driver


@dataclass(frozen=True)
class TemperatureSettings(Experiment):
    """An experiment, and its temperatures."""

    # of the dreams that drivers are evolved in
    temperatures: tuple[float, ...] = free((0.1, 0.5, 1.0, 1.15, 1.3))
    games: int = budget(100, remembered=False)  # real games that test each driver

    def __post_init__(self):
        super().__post_init__()
        if not self.temperatures or not all(0 < t < float("inf") for t in self.temperatures):
            raise ValueError(
                f"--temperatures: expected numbers above 0, received {self.temperatures}."
            )
        if self.games < 1:
            raise ValueError(f"--games: expected 1 or more, received {self.games}.")


def temperatures(run: Run) -> None:
    """Make both tables in 0/temperatures/temperatures.json, and the figure beside it."""
    from WorldModels.assembly.opening import check_exports
    from WorldModels.control.search_state import check_states
    from WorldModels.figures.curves import save
    from WorldModels.figures.temperatures import temperature_figure

    if run.experiment.controller.world == "real":
        raise ValueError(
            "--controller.world: expected dream, received real; only dreams have a temperature: "
            "give --controller.world dream."
        )
    if "dream.temperature" in (run.typed or ()):
        given = run.experiment.dream.temperature
        raise ValueError(
            f"--dream.temperature: expected none, since this table has temperatures of its own, "
            f"received {given}; give --temperatures {given}."
        )
    inputs = {
        "vision": WeightsSum(run.need("vision.keras", "train_vision")),
        "memory": WeightsSum(run.need("memory.keras", "train_memory")),
    }
    require_own_memory(run)
    stage, folder = run.stage("temperatures", inputs), run.path / "temperatures"
    check_exports(run.path)
    run.need("first_latents.npz", "encode")
    driver = _driver(run)
    if not stage.anew:
        check_states(folder)
    stage.begin()
    rows = [_row(run, temperature) for temperature in run.experiment.temperatures]
    played = [_dreams(run, *driver, t) for t in run.experiment.temperatures] if driver else []
    facts = {"generations": run.experiment.dream.generations, "evolved": rows, "played": played}
    write_json(folder / "temperatures.json", facts)
    save(temperature_figure(rows), folder / "temperatures.png")
    stage.finish()
    _show(run, facts)
    run.say(f"\nIn {folder}: temperatures.json, temperatures.png.")


def _show(run: Run, facts: dict) -> None:
    """Print both tables."""
    from WorldModels.figures.scores import table

    run.say(
        f"One driver evolved at each temperature, {facts['generations']} generations of dreams "
        "each:\n"
    )
    evolved = {
        f"{row['temperature']:g} {where}": row[where]
        for row in facts["evolved"]
        for where in ("dream", "real")
    }
    run.say(table(evolved))
    run.say(_reached(facts["evolved"]))
    if facts["played"]:
        run.say("\nThe run's own driver, in dreams at each temperature:\n")
        run.say(table({f"{row['temperature']:g} dream": row["dream"] for row in facts["played"]}))
        run.say(_reached(facts["played"]))


def _reached(rows: list[dict]) -> str:
    """A line for the share of dreams that only the limit ended."""
    shares = [f"{row['temperature']:g}: {row['at_limit']:.0%}" for row in rows]
    return f"\nDreams that reach the limit of steps, by temperature: {', '.join(shares)}."


def _row(run: Run, temperature: float) -> dict:
    """Evolve and test a driver at a temperature, unless a stored row covers the budgets."""
    from WorldModels.assembly.beginnings import controller_shape
    from WorldModels.assembly.evolve import (
        dream_generations,
        population_dream,
    )
    from WorldModels.control.controller import Controller
    from WorldModels.figures.scores import summary

    folder = run.path / "temperatures" / f"{temperature:g}"
    dream, games = replace(run.experiment.dream, temperature=temperature), run.experiment.games
    there = read_json(folder / "tested.json")
    controller = controller_shape(run)
    if there and there["generations"] >= dream.generations and there["real"]["n"] >= games:
        if "at_limit" not in there:  # of an earlier version
            parameters = Controller.load(folder / "mean.npz")[1]
            there |= _dreams(run, controller, parameters, temperature)
            write_json(folder / "tested.json", there)
        return there
    run.say(f"temperatures: {temperature:g}")
    with population_dream(run, controller, dream) as population:
        dream_generations(run, folder, controller, population, dream=dream).run()
    _, parameters, facts = Controller.load(folder / "mean.npz")
    row = {
        "generations": int(facts["generation"]),
        **_dreams(run, controller, parameters, temperature),
        "real": summary(_real_returns(run, controller, parameters)),
        "first_seed": FIRST_SEED,
    }
    write_json(folder / "tested.json", row)
    return row


def _dreams(run: Run, controller, parameters: np.ndarray, temperature: float) -> dict:
    """A driver's returns in dreams as long as the game, and the share that reaches that limit."""
    from WorldModels.assembly.evolve import dream_returns
    from WorldModels.figures.scores import summary

    dream = replace(run.experiment.dream, temperature=temperature, max_steps=0)
    returns, lengths = dream_returns(run, controller, parameters[None], DREAMS, dream)
    at_limit = float(np.mean(lengths[0] >= run.experiment.env.max_steps))
    return {"temperature": temperature, "dream": summary(returns[0]), "at_limit": at_limit}


def _real_returns(run: Run, controller, parameters: np.ndarray) -> np.ndarray:
    """Returns (games,) of real games in the official environment, under the rule in force."""
    from tqdm import tqdm

    from WorldModels.assembly.worlds import real_world
    from WorldModels.control.executors import open_executor
    from WorldModels.control.scoring import DriverMaker, returns_of, score

    settings, games = run.experiment.controller, run.experiment.games
    env = game_of(run.experiment.env.id).filmed(run.experiment.env)
    world = real_world(run.path, env, features=settings.features, latent=settings.seen)
    maker, tracks = DriverMaker(world, controller), np.arange(FIRST_SEED, FIRST_SEED + games)
    bar = tqdm(total=games, unit="game", desc="test")

    def heard(result) -> None:
        bar.update()

    with open_executor(maker, run.experiment.workers, games, say=run.say) as executor, bar:
        results = score(executor, parameters[None], tracks, env.max_steps, heard=heard)
        return returns_of(results)[0]


def _driver(run: Run) -> tuple | None:
    """The run's own driver, a Controller and its parameters (N,); None if there is none yet."""
    from WorldModels.assembly.worlds import controller_file
    from WorldModels.control.controller import Controller

    try:
        return Controller.load(controller_file(run))[:2]
    except FileNotFoundError:
        return None


def main(argv: list[str] | None = None) -> None:
    """Run the verb."""
    run_verb("temperatures", temperatures, argv, __doc__, settings=TemperatureSettings)


if __name__ == "__main__":
    main()
