"""`feedback eval`: how often a model finds the codes that people chose, how sure it is rightly, and what that takes."""
