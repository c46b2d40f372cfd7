"""From an input to its outcome: read it, run what it asks, publish results or dead letters, wait for every receipt."""
