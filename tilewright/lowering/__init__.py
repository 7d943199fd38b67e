"""Kernels from the tw dialect down to the llvm dialect: linalg, loops, templates, the host program."""
