"""Robustness beside baselines: the same network trained to classify, plainly and on attacked images."""
