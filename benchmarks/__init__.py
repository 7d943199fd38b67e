"""Benchmarks: Tilewright against other systems on one machine, in one run. They print ratios and write JSON; they are not tests."""
