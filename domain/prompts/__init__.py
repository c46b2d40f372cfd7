"""The instructions that models get, versioned, and the envelopes around what others wrote."""
