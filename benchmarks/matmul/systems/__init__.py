"""One file for each system: how it gets a case with constant weights, and how it is called."""
