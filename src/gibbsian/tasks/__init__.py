"""What one does with a model: measure it, and later restore, translate, detect, attack, compose."""
