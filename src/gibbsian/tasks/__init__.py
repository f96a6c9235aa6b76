"""What one does with a system: measure it, and later restore, translate, detect, attack, compose."""
