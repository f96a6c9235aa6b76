"""Paths of a model of transitions: one step after another, or whole, and how good they are."""
