"""What was used: the words of the answers, the questions, and the arithmetic between the two."""
