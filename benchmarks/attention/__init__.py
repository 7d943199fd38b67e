"""Attention against PyTorch, Inductor, XLA, ONNX Runtime and OpenVINO: `python -m benchmarks.attention --help`.

`cases` lists what is measured and the bar for it, `operands` makes inputs and float64 references, `tw_program` builds our programs for
what PyTorch has no module for, `systems/` has one file for each system. All else is `benchmarks/suite`.
"""
