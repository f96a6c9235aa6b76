"""The benchmark: the same chains by this library and by others, timed side by side in one run.

Each section (chains, hmc, scaling) has `measure`, which makes a JSON-able record, and `table` and `plot`,
which show one; `report` keeps the records and makes the page of them.
"""
