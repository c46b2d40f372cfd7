"""Results that are to be judged: another kind of inputs, answered by the same delivery."""
