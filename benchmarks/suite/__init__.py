"""What the benchmarks share: systems in processes of their own, turns, the machine's limits, verdicts and tables.

A package beside this one declares a `Suite` (`definition`) in its module `suite`: cases with bars (`cases`), how operands and float64
references are made, and a `System` for each compared system (`systems`). `command` is its command line, `child` the process that a
system runs in, `driver` calls the children in turn, `rating` compares the times with the bars, `table` shows them. `ceilings` are the
machine's own limits, `tilewright_program` and `native_call` the two ways in which our programs are called.
"""
