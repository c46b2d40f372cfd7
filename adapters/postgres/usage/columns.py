"""The columns of a rollup: what it is counted by, and what is counted. Said once, for tables, writer and reader."""

from domain.usage.questions import Dimension

DIMENSION_COLUMNS: dict[Dimension, str] = {
    "tenant": "tenant_id",
    "operation": "operation",
    "model": "model",
    "provider": "provider",
    "status": "status",
    "error_class": "error_class",
    "prompt_version": "prompt_version",
}
DIMENSION_NAMES = tuple(DIMENSION_COLUMNS.values())
TOTAL_NAMES = ("tenant_id", "model", "status")
"""What totals are still counted by: tenants and what failed and, of calls without a known cost, the model."""

ALWAYS_TOLD = ("tenant_id", "operation", "status")

COUNTS = ("total", "attempts", "late", "unpriced")
"""How many there are, of items and of LLM calls."""

SUMS = (*COUNTS, "cost_usd", "cache_read_input_tokens", "reasoning_output_tokens")
"""Added up over all items; money and tokens that nobody told count as nothing."""

MEASURES = ("duration_us", "input_tokens", "output_tokens")
"""Each has a number of items, a sum, a least and a greatest value, and a sketch, over the items that did not fail.

Durations are whole microseconds: whole numbers add up to the same sum in any order.
"""

ADDED, LEAST, GREATEST, SKETCH = ("items", "sum"), "min", "max", "sketch"
"""What there is of a measure: the column `duration_us_min`, say."""

COUNTED = (*SUMS, *(f"{measure}_{part}" for measure in MEASURES for part in (*ADDED, LEAST, GREATEST, SKETCH)))
"""All that is counted, in the order of the tables' columns."""
