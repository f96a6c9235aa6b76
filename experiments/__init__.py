"""Figures and tables of the docs, comparisons with papers, and studies that answer a question of ours.

`python -m experiments.NAME --help`, from the folder of the repository. The library never imports it.
"""
