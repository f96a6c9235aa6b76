"""Restoration: what a damaged image was, by a chain on the energy given what is known of it.

    inpainting   E restricted to the unknown pixels; the known ones are held bit for bit
    denoising    E/T + |x - x~|^2 / 2 sigma^2 at temperature 1, begun at the noisy image x~
    salt, pepper the chain from the damaged image, or the suspicious pixels as unknown ones

`damage` and `masks` say what was done to an image, `legs` which chain undoes it, `complete` runs it,
`baselines` are what it has to beat, `measures` and `compare` say by how much, `tune` chooses by validation
images, `run` does all of it.
"""
