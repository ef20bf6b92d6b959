"""What a trial of a run found out on this machine: how long each kind of work takes."""

from dataclasses import dataclass, field

from WorldModels.assembly.speed.others import BUSY

# Kinds of playing; see Trial.
RECORDED, BY_DRIVER = "recorded", "recorded by controller"
DRIVEN, TESTED, BLIND = "driven", "tested", "blind"


@dataclass(frozen=True)
class Pace:
    """How long a kind of work takes.

    Attributes:
        once: seconds before the first item, or, of a game, before each episode.
        each: seconds per item.
    """

    once: float = 0.0
    each: float = 0.0

    def seconds(self, items: float) -> float:
        """Seconds that some items take."""
        return self.once + self.each * items


@dataclass(frozen=True)
class Trial:
    """What was measured.

    Attributes:
        paces: kind of work -> its pace:
            start               a verb's own start
            keras               importing Keras
            sum                 each frame whose sum is listed
            workers             the start of all worker processes
            recorded            each step of a recorded episode in one of all processes at once;
                                once: each episode's reset
            recorded by controller, driven (the search), tested, blind (the test)   likewise
            read                each frame that train_vision checks
            vision, memory      once: building and compiling; each: a training step
            vision epoch        each: a picture and a checkpoint after an epoch
            vision scored       once: compiling; each: a held-out frame after an epoch
            memory scored       once: compiling; each: a held-out episode after an epoch
            baselines           what train_memory compares M with
            vision export, memory export
            series              once: opening V; each: a frame encoded
            dream               once: compiling; each: a step of a lane of a population's dreams
            generation          each: what the search itself takes for a generation
            dreamt              once: opening M; each: a step of all dreams of a task of the test
            figures             once: importing matplotlib; each: a figure
            film, dream film    once: beginning a film; each: a frame
        recorded: mean steps of a recorded episode that a blind policy drives.
        terminated: steps of such episodes for each that the game itself ended; infinite if none.
        blind: mean steps of a game that a blind policy plays in a test.
        memory_epoch: iteration -> steps in an epoch of M's training.
        processes: worker processes at once.
        seconds: what the trial took.
        others: share of the processor that other programs took meanwhile.
    """

    paces: dict[str, Pace]
    recorded: float
    terminated: float
    blind: float
    memory_epoch: dict[int, int] = field(default_factory=dict)
    processes: int = 1
    seconds: float = 0.0
    others: float = 0.0

    @property
    def disturbed(self) -> bool:
        """Whether other programs took so much of the processor that it falsifies the paces."""
        return self.others > BUSY

    def pace(self, name: str) -> Pace:
        """A pace; zero for work that no stage of the trial has."""
        return self.paces.get(name, Pace())

    def played(self, name: str, episodes: float, steps: float, tasks: float = 0) -> float:
        """Seconds that worker processes take to play episodes.

        Towards the end of a batch of tasks some processes wait for the others: on average for half
        an episode.

        Args:
            name: a pace's.
            episodes: their number.
            steps: of each.
            tasks: episodes in a batch that is waited for; 0: all.
        """
        if episodes <= 0:
            return 0.0
        tasks = tasks or episodes
        processes = min(self.processes, max(tasks, 1))
        episode = self.pace(name).seconds(steps)
        waiting = episodes / tasks * episode * (1 - 1 / processes) / 2
        return episodes * episode / processes + waiting
