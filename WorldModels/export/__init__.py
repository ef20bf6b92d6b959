"""Exports models: SavedModel for serving, ONNX for the workers and the browser."""
