"""Rules from a kernel and a target to a schedule, one module per kind of kernel, and the attribute that holds it (`attribute`)."""
