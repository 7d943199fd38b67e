"""One file for each system: how it computes a kind of case, and how it is called."""
