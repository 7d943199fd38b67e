"""Fusion of `tw` ops into kernels: which ops may share one launch (`rules`), the grouping (`groups`) and the pass (`fuse`)."""
