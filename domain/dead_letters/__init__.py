"""Dead letters as operators see them: which there are, and what may be replayed. Decisions only."""
