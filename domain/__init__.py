"""DECISIONS, no IO: what to ask a model, what its answer means, when to try again, when to give up."""
