"""Personal data out of a text before a model sees it, and back into what the model wrote."""
