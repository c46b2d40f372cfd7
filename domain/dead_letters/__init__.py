"""Dead letters as operators see them: which there are, how many and why, and what may be replayed. Decisions only."""
