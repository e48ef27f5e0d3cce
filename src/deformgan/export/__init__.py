"""Generators as ONNX graphs."""
