"""Reads what was used: exactly from raw rows, or quickly from rollups of whole days, weeks and months."""
