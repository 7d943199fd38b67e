"""Compilation as a library: phases, the compiler, the report, and the functions behind `tilewright.compile` and `tilewright.load`."""
