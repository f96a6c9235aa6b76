"""What is learnt and how: the only floor where energies, kernels, starts and objectives meet."""
