"""log Z of any energy: annealing in both directions, thermodynamic integration, quadrature as the truth."""
