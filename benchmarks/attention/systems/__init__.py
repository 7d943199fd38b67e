"""One file for each system: how it computes attention, and how it is called."""
