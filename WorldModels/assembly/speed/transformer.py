"""Measures what a transformer gains by keeping past keys and values; see measure.py."""

import numpy as np

WINDOW = 64
# Name of its rows -> its sizes, besides Z = 32 and A = 3.
TRANSFORMERS = {
    "transformer": dict(width=256, num_layers=6, num_heads=8, feed_forward=1024, window=WINDOW),
    "small transformer": dict(window=WINDOW),  # the published one
}
LANES = (1, 64)
STEPS = 16  # in a compiled loop


def transformer(seconds: float, repeats: int, quick: bool = False) -> dict:
    """Lane-steps/s with and without kept keys and values, by name and number of lanes.

    Without them, every step recomputes the window. Both ways run in one compiled loop and give the
    same h once the window is full. They take turns, so that whatever else the machine does affects
    both.
    """
    from WorldModels.assembly.speed.measure import blocks
    from WorldModels.memory.transformer import TransformerMemory

    rates = {}
    for name, sizes in TRANSFORMERS.items():
        memory = TransformerMemory(**sizes)
        for lanes in LANES[:1] if quick else LANES:
            loops = [_loop(memory, kept, lanes) for kept in (True, False)]
            turns = [[blocks(loop, seconds, 1)[0] for loop in loops] for _ in range(repeats)]
            row = f"{name}, {lanes} lanes" if lanes > 1 else f"{name}, one lane"
            rates[row] = np.transpose(turns).tolist()
    return {"rates": rates, "sizes": TRANSFORMERS}


def _loop(memory, kept: bool, lanes: int):
    """A function that makes STEPS steps in all lanes and returns their number."""
    model, inputs = _model(memory, kept), _inputs(memory, kept, lanes)

    def work() -> int:
        model.predict_on_batch(inputs)
        return lanes * STEPS

    return work


def _model(memory, kept: bool):
    """A Keras model that makes STEPS steps in one compiled loop."""
    import keras
    from keras import ops

    go_on = _step if kept else _step_anew

    class Loop(keras.Model):
        def call(self, inputs):
            z, action, state = inputs["z"], inputs["action"], inputs["state"]
            return ops.while_loop(
                lambda t, _: t < STEPS,
                lambda t, x: (t + 1, go_on(memory, z, action, x)),
                (0, state),
            )[1]

    model = Loop()
    model.memory, model.built = memory, True
    return model


def _step(memory, z, action, state):
    return memory.step(state, z, action)


def _step_anew(memory, z, action, state):
    """A step that keeps only the latents and actions in the window."""
    from keras import ops

    newest = {"z": z, "actions": action}
    state = {
        name: ops.concatenate([state[name][:, 1:], x[:, None]], axis=1)
        for name, x in newest.items()
    }
    hidden = memory({**state, "last_rewards": state["z"][..., 0]})
    return {**state, "h": hidden[:, -1]}


def _inputs(memory, kept: bool, lanes: int) -> dict:
    """Zeros for a latent and an action of each lane, and for the state of the loop."""
    if kept:
        shapes = {name: x.shape[1:] for name, x in memory.initial_state(1).items()}
    else:
        shapes = {
            "z": (WINDOW, memory.latent_size),
            "actions": (WINDOW, memory.action_size),
            "h": (memory.hidden_size,),
        }
    return {
        "z": np.zeros((lanes, memory.latent_size), np.float32),
        "action": np.zeros((lanes, memory.action_size), np.float32),
        "state": {name: np.zeros((lanes, *shape), np.float32) for name, shape in shapes.items()},
    }
