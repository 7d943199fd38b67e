"""One file for each system: how it runs the chain."""
