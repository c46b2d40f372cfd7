"""The questions that are asked of a model, one module each: prompt, parse, result."""
