"""Data sets by name, and batches of them. `names` and `places` can be imported without torch."""
