"""Studies of a trained model, one question each: what became of the modes, are latents disentangled, what
are they good for with few labels, how dense is the model where the data are.

A study returns a record with `to_dict`, `text` and `figures`; `gibbsian study` writes all three.
"""
