"""log Z of any energy: annealing there and back, integrals over the path, and quadrature as the truth."""
