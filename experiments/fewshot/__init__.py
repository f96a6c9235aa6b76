"""What is a latent good for? A linear classifier on few labels, and the energy as an alarm for other data."""
