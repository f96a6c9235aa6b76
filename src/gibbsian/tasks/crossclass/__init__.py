"""What a conditional energy does to images of another class.

Chains start at test images of class a under class b: are they judged as b, and what of a is left? The
protocol is that of Y. Du and I. Mordatch, Implicit generation and modeling with energy-based models (NeurIPS
2019, arXiv 1903.08689), section 4.3; the judge is a classifier that no model has seen.
"""
