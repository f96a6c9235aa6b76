"""Pages of HTML on trained models: one with its evaluation, or several beside one another."""
