"""Finding what is personal in a text, in every language: patterns, check digits, and a model where one is installed."""
