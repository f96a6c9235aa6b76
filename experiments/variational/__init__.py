"""Densities fitted to an energy two ways, and chains whose temperature falls: what each finds and misses."""
