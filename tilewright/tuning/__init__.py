"""The measured tuner: which kernels to tune, their candidates as small programs, timing in processes of their own, and the search."""
