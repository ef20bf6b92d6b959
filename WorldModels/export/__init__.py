"""Models as files for others: SavedModel for serving, ONNX for the workers and the browser."""
