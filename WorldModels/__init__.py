"""World Models (Ha & Schmidhuber 2018) in Keras 3: learn to see (V), to remember and imagine (M), and to act (C).

Six verbs make an experiment: record, train_vision, encode, train_memory, train_controller, evaluate. Each is a file of
this package that can be run: `python -m WorldModels.record carracing`. Importing the package imports nothing heavy.
"""

__version__ = "0.1.0"
