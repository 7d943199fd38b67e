"""What stands between matmuls, against PyTorch, Inductor and XLA: `python -m benchmarks.pointwise --help`.

`cases` lists what is measured and the bar for it, `torch_forms` says what each kind computes, `operands` makes inputs and float64
references, `systems/` has one file for each system. All else is `benchmarks/suite`.
"""
