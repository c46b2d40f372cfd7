"""The items that usage is counted in, LLM calls and invocations, as SQL over raw rows, and how they are added up.

The one definition of both for whoever writes rollups and whoever answers from them; `domain.usage.report` says it in
words, and tests hold the two that read raw rows alone, `exact` and `failures`, to the same. An item has the columns of
`DIMENSION_NAMES`, those of `COUNTED` in the singular, and `failed`.
"""

from collections.abc import Iterable, Sequence

from adapters.postgres.usage.columns import COUNTS, MEASURES, SUMS
from adapters.postgres.usage.sketches import record_sql

TIMES = {"llm_calls": '"timestamp"', "invocations": "invocation_started_at"}
"""The column that each view's windows go by."""

VIEWS = tuple(TIMES)

UNPRICED_MODEL = "CASE WHEN view = 'llm_calls' AND unpriced > 0 THEN model END"
"""The model, of what is added up already, where something has no known cost."""

_LATE = "(created_at > \"timestamp\" + call_duration_ms * interval '1 millisecond' + interval '1 hour')::int"
_DURATION = "round(call_duration_ms::numeric * 1000)"
_ANSWERED_BY = "coalesce(model, request_model)"

_CALLS = f"""
    SELECT {{extra}} tenant_id, operation, {_ANSWERED_BY} AS model, provider, status, error_class, prompt_version,
           1 AS attempts, {_LATE} AS late, cost_usd, cost_usd IS NULL AS unpriced,
           cache_read_input_tokens, reasoning_output_tokens, created_at,
           {_DURATION} AS duration_us, input_tokens::numeric, output_tokens::numeric
    FROM llm_calls
    WHERE {{where}}
"""

_LAST = '(array_agg({value} ORDER BY attempt DESC, "timestamp" DESC, call_id DESC))[1]'

# Grouped by all that names an invocation, so that what does not agree on one is counted once, in one place.
_INVOCATIONS = f"""
    SELECT {{extra}} tenant_id, operation, {_LAST.format(value=_ANSWERED_BY)} AS model,
           {_LAST.format(value="provider")} AS provider, {_LAST.format(value="status")} AS status,
           {_LAST.format(value="error_class")} AS error_class, {_LAST.format(value="prompt_version")} AS prompt_version,
           count(*) AS attempts, sum({_LATE}) AS late, sum(cost_usd) AS cost_usd, bool_or(cost_usd IS NULL) AS unpriced,
           sum(cache_read_input_tokens) AS cache_read_input_tokens,
           sum(reasoning_output_tokens) AS reasoning_output_tokens, max(created_at) AS created_at,
           sum({_DURATION}) AS duration_us, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens
    FROM llm_calls
    WHERE {{where}}
    GROUP BY {{extra}} tenant_id, operation, invocation_id, invocation_started_at
"""

_ITEMS = {"llm_calls": _CALLS, "invocations": _INVOCATIONS}


def items(view: str, where: str, extra: str = "") -> str:
    """A query for the items of a view.

    Args:
        view: `llm_calls` or `invocations`.
        where: which rows; `{time}` in it stands for the column that the view's windows go by.
        extra: further expressions in front, which are the same for all rows of an item; each with a comma behind it.
    """
    time = TIMES[view]
    return _ITEMS[view].format(where=where.format(time=time), extra=extra.format(time=time))


def grouped(source: str, keys: Sequence[str], also: Sequence[str] = ()) -> str:
    """A query that adds up items, by `keys`: these, the columns of `COUNTED`, and what is said to be counted `also`."""
    return f"SELECT {', '.join([*keys, *_counted(), *also])} FROM ({source}) AS item GROUP BY {_by(keys)}"


def _counted() -> Iterable[str]:
    yield "count(*) AS total"
    yield "sum(attempts)::bigint AS attempts"
    yield "sum(late)::bigint AS late"
    yield "count(*) FILTER (WHERE unpriced) AS unpriced"
    for name in ("cost_usd", "cache_read_input_tokens", "reasoning_output_tokens"):
        yield f"coalesce(sum({name}), 0) AS {name}"
    for name in MEASURES:
        told = f"FILTER (WHERE status = 'ok' AND {name} IS NOT NULL)"
        yield f"count(*) {told} AS {name}_items"
        for function in ("sum", "min", "max"):
            yield f"{function}({name}) {told} AS {name}_{function}"
        yield f"string_agg({record_sql(name)}, ''::bytea) {told} AS {name}_sketch"


def added_up(source: str, keys: Sequence[str], also: Sequence[str] = ()) -> str:
    """The same of what is added up already."""
    return f"SELECT {', '.join([*keys, *_merged(), *also])} FROM ({source}) AS part GROUP BY {_by(keys)}"


def _merged() -> Iterable[str]:
    # What PostgreSQL makes a numeric of takes the reader ten times as long to read.
    for name in SUMS:
        yield f"sum({name}){'::bigint' if name in COUNTS else ''} AS {name}"
    for name in MEASURES:
        yield f"sum({name}_items)::bigint AS {name}_items"
        for function in ("sum", "min", "max"):
            yield f"{function}({name}_{function}) AS {name}_{function}"
        yield f"string_agg({name}_sketch, ''::bytea) AS {name}_sketch"


def _by(keys: Sequence[str]) -> str:
    """The keys by their places: an expression is not repeated."""
    return ", ".join(str(number) for number, _ in enumerate(keys, start=1))
