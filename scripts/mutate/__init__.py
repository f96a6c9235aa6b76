"""A mutation test: one line of the library is changed in a copy of the tree, and some test must fail.

    python -m scripts.mutate --only mcmc      # or `make mutate` for all

Two lists are tried: mutations that are kept (`kept/AREA.txt`, chosen by hand, each with its tests) and
mutations that are drawn (`draw.py`, seeded, over the lines and operators of all floors).
"""
