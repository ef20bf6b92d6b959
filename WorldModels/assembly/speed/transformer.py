"""What keeping the keys and values of the last steps saves a transformer here; see measure.py.
Knows no environment.
"""

import numpy as np

WINDOW = 64
# By the name of its rows: its sizes beside Z = 32 and A = 3, and whether it has a goal.
TRANSFORMERS = {
    "transformer": dict(width=256, num_layers=6, num_heads=8, feed_forward=1024, window=WINDOW),
    "small transformer": dict(window=WINDOW),  # the published one
}
LANES = (1, 64)
STEPS = 16  # of a compiled loop


def transformer(seconds: float, repeats: int, quick: bool = False) -> dict:
    """Lane-steps/s, by name and lanes, of stepping with what is kept, and of working the whole
    window out anew for each step.

    Both run in one compiled loop and give the same h after a window's first steps; they take turns,
    so that what else the machine
    does touches both.
    """
    from WorldModels.assembly.speed.measure import blocks
    from WorldModels.memory.transformer import TransformerMemory

    rates = {}
    for name, sizes in TRANSFORMERS.items():
        memory = TransformerMemory(**sizes)
        for lanes in LANES[:1] if quick else LANES:
            loops = [_loop(memory, kept, lanes) for kept in (True, False)]
            turns = [[blocks(loop, seconds, 1)[0] for loop in loops] for _ in range(repeats)]
            rates[f"{name}, {lanes} lanes" if lanes > 1 else f"{name}, one lane"] = np.transpose(
                turns
            ).tolist()
    return {"rates": rates, "sizes": TRANSFORMERS}


def _loop(memory, kept: bool, lanes: int):
    """A function that makes STEPS steps of all lanes and gives their number."""
    import keras
    from keras import ops

    def step(z, action, state):
        return memory.step(state, z, action)

    def anew(z, action, state):
        tokens = {"z": z, "actions": action}
        state = {
            name: ops.concatenate([state[name][:, 1:], x[:, None]], axis=1)
            for name, x in tokens.items()
        }
        hidden = memory({**state, "rewards": state["z"][..., 0]})
        return {**state, "h": hidden[:, -1]}

    class Loop(keras.Model):
        def call(self, inputs):
            z, action, state = inputs["z"], inputs["action"], inputs["state"]
            go_on = step if kept else anew
            return ops.while_loop(
                lambda t, _: t < STEPS, lambda t, x: (t + 1, go_on(z, action, x)), (0, state)
            )[1]

    sizes = {"z": memory.latent_size, "action": memory.action_size}
    if kept:
        shapes = {name: x.shape[1:] for name, x in memory.initial_state(1).items()}
    else:
        shapes = {
            "z": (WINDOW, memory.latent_size),
            "actions": (WINDOW, memory.action_size),
            "h": (memory.hidden_size,),
        }
    inputs = {name: np.zeros((lanes, size), np.float32) for name, size in sizes.items()}
    inputs["state"] = {
        name: np.zeros((lanes, *shape), np.float32) for name, shape in shapes.items()
    }
    model = Loop()
    model.memory, model.built = memory, True

    def work() -> int:
        model.predict_on_batch(inputs)
        return lanes * STEPS

    return work
