"""How easily is a classifier fooled: attacks, also through a refining chain, and baselines to compare with.

pgd         the climb inside a ball            refinement  classifiers that move their input first
attacks     attacks by name                    sweep       one classifier, every attack, every radius
robustness  all of it as one record            show        curves and adversarial examples
classifiers what of a run is attacked
"""
