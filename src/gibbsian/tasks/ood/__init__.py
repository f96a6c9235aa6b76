"""Out-of-distribution detection: which inputs does a trained energy find strange, and which not?

`sets` of images in and out, `scores` of a model, likelihood `baselines` on the same training images, and
`measure`, which puts all of them into one `report`.
"""
