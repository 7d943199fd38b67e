"""Infrastructure that knows MLIR but nothing of machine learning: bindings, diagnostics, options, passes, pipelines, instruments."""
