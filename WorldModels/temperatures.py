"""The paper's table of temperatures: one driver evolved in the dream at each, on the same M, and
tested in the real game.

    python -m WorldModels.temperatures takecover                     # 0.1, 0.5, 1.0, 1.15, 1.3, as
    in the paper (section 4, table 2)
    python -m WorldModels.temperatures takecover --temperatures 0.5 1.0 --games 20

All have the same number of generations. A second table plays the run's own driver in dreams of each
temperature. Everything
goes to 0/temperatures/; what is there is not made again, and an interrupted table goes on where it
stopped.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from WorldModels.experiment.command import run_verb
from WorldModels.experiment.fields import budget, free
from WorldModels.experiment.files import hash_files, read_json, write_json
from WorldModels.experiment.run import Run
from WorldModels.experiment.settings.experiment import Experiment

FIRST_SEED = 7_000_000  # of the real games; nothing else in the project draws from here on
DREAMS = 256  # in which each driver is scored


@dataclass(frozen=True)
class TemperatureSettings(Experiment):
    """An experiment, and its temperatures."""

    temperatures: tuple[float, ...] = free(
        (0.1, 0.5, 1.0, 1.15, 1.3)
    )  # of the dreams that drivers are evolved in
    games: int = budget(100)  # real games in which each is tested

    def __post_init__(self):
        super().__post_init__()
        if not self.temperatures or not all(0 < t < float("inf") for t in self.temperatures):
            raise ValueError(
                f"--temperatures: expected numbers above 0, received {self.temperatures}."
            )
        if self.games < 1:
            raise ValueError(f"--games: expected 1 or more, received {self.games}.")


def temperatures(run: Run) -> None:
    """Have both tables in 0/temperatures/temperatures.json, and the figure beside it."""
    from WorldModels.figures.scores import table
    from WorldModels.figures.temperatures import temperature_figure

    if run.experiment.controller.world == "real":
        raise ValueError(
            "--controller.world: expected dream, received real; temperature is the dream's: give --controller.world dream."
        )
    inputs = {
        "vision": hash_files([run.need("vision.keras", "train_vision")]),
        "memory": hash_files([run.need("memory.keras", "train_memory")]),
    }
    stage = run.stage("temperatures", inputs)
    stage.begin()
    rows = [_row(run, temperature) for temperature in run.experiment.temperatures]
    played = _played(run)
    facts = {"generations": run.experiment.dream.generations, "evolved": rows, "played": played}
    write_json(run.path / "temperatures" / "temperatures.json", facts)
    from WorldModels.figures.curves import save

    save(temperature_figure(rows), run.path / "temperatures" / "temperatures.png")
    stage.finish()
    run.say(
        f"One driver evolved at each temperature, {run.experiment.dream.generations} generations of dreams each:\n"
    )
    run.say(
        table(
            {
                f"{row['temperature']:g} {where}": row[where]
                for row in rows
                for where in ("dream", "real")
            }
        )
    )
    if played:
        run.say("\nThe run's own driver, played in dreams of each temperature:\n")
        run.say(table({f"{row['temperature']:g} dream": row["dream"] for row in played}))
    run.say(f"\nIn {run.path / 'temperatures'}: temperatures.json, temperatures.png.")


def _row(run: Run, temperature: float) -> dict:
    """Evolve and test a driver of a temperature; what was tested already is read."""
    from WorldModels.assembly.evolve import controller_shape, dream_generations, dream_returns
    from WorldModels.control.controller import Controller
    from WorldModels.figures.scores import summary

    folder, dream = (
        run.path / "temperatures" / f"{temperature:g}",
        replace(run.experiment.dream, temperature=temperature),
    )
    file, games = folder / "mean.npz", run.experiment.games
    there = read_json(folder / "tested.json")
    if there and there["generations"] >= dream.generations and there["real"]["n"] >= games:
        return there
    controller = controller_shape(run)
    run.say(f"temperatures: {temperature:g}")
    dream_generations(run, folder, controller, dream=dream).run()
    _, parameters, facts = Controller.load(file)
    dreamt = dream_returns(run, controller, parameters[None], DREAMS, replace(dream, max_steps=0))[
        0
    ]
    row = {
        "temperature": temperature,
        "generations": int(facts["generation"]),
        "dream": summary(dreamt[0]),
        "real": summary(_real_returns(run, controller, parameters)),
        "first_seed": FIRST_SEED,
    }
    write_json(folder / "tested.json", row)
    return row


def _real_returns(run: Run, controller, parameters: np.ndarray) -> np.ndarray:
    """Returns of real games, drawn as scores demand."""
    from tqdm import tqdm

    from WorldModels.assembly.worlds import real_world
    from WorldModels.control.executors import Executor, cores
    from WorldModels.control.scoring import DriverMaker, returns_of, score

    settings, games = run.experiment.controller, run.experiment.games
    env = replace(run.experiment.env, renderer="exact")
    maker = DriverMaker(
        real_world(run.path, env, features=settings.features, latent=settings.seen), controller
    )
    heard: Callable
    with (
        Executor(maker, run.experiment.workers or cores(), say=run.say) as executor,
        tqdm(total=games, unit="game", desc="test") as bar,
    ):
        heard = lambda result: bar.update()  # noqa: E731
        return returns_of(
            score(
                executor,
                parameters[None],
                np.arange(FIRST_SEED, FIRST_SEED + games),
                env.max_steps,
                heard=heard,
            )
        )[0]


def _played(run: Run) -> list[dict]:
    """The run's own driver in dreams of each temperature; none where there is no driver yet."""
    from WorldModels.assembly.evolve import dream_returns
    from WorldModels.assembly.worlds import controller_file
    from WorldModels.control.controller import Controller
    from WorldModels.figures.scores import summary

    try:
        controller, parameters, _ = Controller.load(controller_file(run))
    except FileNotFoundError:
        return []
    dreams = [
        replace(run.experiment.dream, temperature=t, max_steps=0)
        for t in run.experiment.temperatures
    ]
    return [
        {
            "temperature": dream.temperature,
            "dream": summary(dream_returns(run, controller, parameters[None], DREAMS, dream)[0][0]),
        }
        for dream in dreams
    ]


def main(argv: list[str] | None = None) -> None:
    run_verb("temperatures", temperatures, argv, __doc__, settings=TemperatureSettings)


if __name__ == "__main__":
    main()
