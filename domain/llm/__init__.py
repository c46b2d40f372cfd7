"""Calling a model: what a call is, what an attempt costs, when to try again."""
