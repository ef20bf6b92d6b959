"""Where Keras computes."""


def accelerator() -> str:
    """The first GPU or TPU that Keras' backend sees, as it names it; empty if there is none."""
    import keras

    for kind in ("gpu", "tpu"):
        if devices := keras.distribution.list_devices(kind):
            return devices[0]
    return ""
