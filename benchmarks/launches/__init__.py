"""What one more kernel costs, against PyTorch and Inductor: `python -m benchmarks.launches --help`.

`cases` lists what is measured and the bar for it, `steps` is the chain of tiny kernels, `systems/` has one file for each system. All
else is `benchmarks/suite`.
"""
