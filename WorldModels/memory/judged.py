"""A dream in which one M decides what happens, and another tells the driver what has happened."""

import keras


class Judged(keras.Model):
    """Two memories used as one, for a driver that was evolved in the dreams of `own`.

    A driver that has learned to exploit the faults of its own M gains nothing by them where another
    M, trained on other episodes, draws z, the reward and the end. Its features still come from its
    own M, which reads the same z and actions.

    Args:
        own: the M whose h (and c) the driver sees.
        judge: the M that decides; both take the same z and actions.
    """

    def __init__(self, own, judge, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.own, self.judge = own, judge
        self.terminated_head = judge.terminated_head
        self.built = True

    def initial_state(self, batch: int) -> dict:
        """The states of both; see interfaces.Memory, as for the other methods."""
        return _joined(self.own.initial_state(batch), self.judge.initial_state(batch))

    def step(self, state: dict, z, action, reward) -> dict:
        """Step both."""
        own, judge = _parted(state)
        return _joined(
            self.own.step(own, z, action, reward), self.judge.step(judge, z, action, reward)
        )

    def hidden(self, state: dict) -> dict:
        """What the driver sees, by its own M."""
        return self.own.hidden(_parted(state)[0])

    def sample(self, state: dict, temperature, noise: dict) -> dict:
        """What comes next, by the judge."""
        return self.judge.sample(_parted(state)[1], temperature, noise)


def _joined(own: dict, judge: dict) -> dict:
    return {f"own_{k}": x for k, x in own.items()} | {f"judge_{k}": x for k, x in judge.items()}


def _parted(state: dict) -> tuple[dict, dict]:
    own, judge = (
        {k.removeprefix(prefix): x for k, x in state.items() if k.startswith(prefix)}
        for prefix in ("own_", "judge_")
    )
    return own, judge
