"""Numbers from arrays: distances between samples, coverage, classes, chain diagnostics, intervals.

No file here knows models or samplers. Everything is computed in float64.
"""
