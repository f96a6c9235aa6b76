"""After energy refinement, do the coordinates of a VAE's latents still stand for single factors?"""
