"""Foreign text in prompts: every operation, and every way in which such text reaches a model."""
