"""Matmuls against PyTorch, oneDNN, XLA, IREE, ONNX Runtime and OpenVINO: `python -m benchmarks.matmul --help`.

`cases` lists what is measured and the bar for it, `operands` makes inputs and float64 references, `systems/` has one file for each
system, `ceilings` the machine's own limits. `child` is the process that a system runs in, `driver` calls the children in turn,
`rating` compares the times with the bars; `table` and `plot` show them.
"""
