"""The command lines: `tilewright` and `tilewright-opt`. Thin: they parse arguments, call the layers below, and print."""
