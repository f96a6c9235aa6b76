"""What a conditional energy does to images of its own classes: section 4 of Du and Mordatch (2019).

    pairs     chains from test images of class a under class b: are they judged as b, and what of a is left?
    changes   chains from test images under their own class, whole and with salt and pepper: do they keep it?
    modes     many chains of a class from noise, several completions of an image: how much do they differ?

Y. Du and I. Mordatch, Implicit generation and modeling with energy-based models, NeurIPS 2019, arXiv
1903.08689, sections 4.2 to 4.4. The judge is a classifier that no model has seen.
"""
