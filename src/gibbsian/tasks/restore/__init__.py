"""Restoration: what a corrupted image was, by a chain on the energy given what is known of it.

    inpainting   E restricted to the unknown pixels; the known ones are held bit for bit
    denoising    E/T + |x - x~|^2 / 2 sigma^2 at temperature 1, begun at the noisy image x~
    salt, pepper the chain from the corrupted image, or the suspicious pixels as unknown ones

`corruption` says what was done to an image, `task` how it is to be restored, `methods` which chain undoes it,
`training_images` where the chain begins, `complete` runs it and chooses settings by validation images,
`measure` says how well, beside what has to be beaten, `run` does all of it.
"""
