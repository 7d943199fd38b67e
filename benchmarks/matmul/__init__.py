"""Matmuls against PyTorch, oneDNN, XLA, IREE, ONNX Runtime and OpenVINO: `python -m benchmarks.matmul --help`.

`cases` lists what is measured and the bar for it, `operands` makes inputs and float64 references, `systems/` has one file for each
system, `plot` draws the part of the peak over the size. All else is `benchmarks/suite`.
"""
