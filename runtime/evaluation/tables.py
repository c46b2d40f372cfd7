"""An evaluation as tables for a person."""

from collections.abc import Iterator
from decimal import ROUND_DOWN, Decimal

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from adapters.llm.factory import OFFLINE_MODEL
from runtime.evaluation.curve import MARKS
from runtime.evaluation.evaluation import Evaluation
from runtime.evaluation.scoring import BEST, Scores, Share
from runtime.evaluation.spending import Spending

_UNKNOWN = "unknown"


def print_evaluation(console: Console, found: Evaluation) -> None:
    """Who answered, how good that was, what it took, and what failed."""
    for line in _heading(found):
        _say(console, line)
    if found.scores is not None:
        console.print(_accuracy(found.scores))
        _say(console, _about_codes(found.scores))
    if found.no_code.of:
        _say(console, f"Of {found.no_code.of:,} records that fit no code, {found.no_code.hits:,} were left uncoded.")
    console.print(_spending(found))
    _say(console, f"With up to {found.in_flight:,} LLM calls at a time; seconds are those of the clock on the wall.")
    for operation, reasons in sorted(found.failures.items()):
        for reason, count in sorted(reasons.items()):
            _say(console, f"without a result: {count:,} x {reason} ({operation})")
    if found.failed and found.scores is not None:
        _say(console, "A record without a coding counts as a miss.")
    if not found.complete:
        _say(console, _about_unanswered(found))


def last_line(found: Evaluation) -> str:
    """For scripts."""
    calls = sum(spent.calls for spent in found.spending.values())
    scores = found.scores
    shares = f" top1={scores.top1.value:.3f} top3={scores.top3.value:.3f}" if scores is not None else ""
    return f"eval: records={found.asked} done={found.done} failed={found.failed} llm_calls={calls}{shares}"


def _heading(found: Evaluation) -> Iterator[str]:
    others = [name for name in found.answered_by if name != found.model]
    answered = f" (answered by {', '.join(others)})" if others else ""
    no_llm = "; it is no LLM" if found.model == OFFLINE_MODEL else ""
    versions = ", ".join(dict.fromkeys(one for several in found.prompt_versions.values() for one in several))
    yield f"Model {found.model}{answered}{no_llm}. Prompts: {versions or 'none'}."
    for framework in found.frameworks:
        yield f"Framework {framework.framework_id}, version {framework.version}, of the tenant {framework.tenant_id}."
    if found.corrected:
        yield f"Learned from {found.corrected:,} corrected records first; none of them is among those below."
    if not found.complete:
        yield f"Broken off: these are the figures of {found.done:,} of {found.asked:,} records."


def _accuracy(scores: Scores) -> Table:
    """Levels, leaves, and the abstention curve: one share a row."""
    table = _table(f"Accuracy ({scores.top1.of:,} records)")
    table.add_column("what is right")
    table.add_column("share", justify="right")
    table.add_column("95 % interval", justify="right")
    table.add_column("confidence from", justify="right")
    for number, share in enumerate(scores.levels, 1):
        table.add_row(f"first code: level {number}", *_shares(share), "")
    table.add_row("first code (top-1)", *_shares(scores.top1), "")
    table.add_row(f"any of up to {BEST} codes (top-{BEST})", *_shares(scores.top3), "", end_section=True)
    for percent in MARKS:
        point = scores.curve.at(percent)
        if point is not None:
            least = "abstained" if point.confidence is None else _as_threshold(point.confidence)
            table.add_row(f"first code, surest {percent} %", f"{point.accuracy:.3f}", "", least)
    return table


def _as_threshold(confidence: float) -> str:
    """Rounded down: a threshold above it would drop the very record whose confidence it is."""
    return str(Decimal(str(confidence)).quantize(Decimal("0.0001"), ROUND_DOWN))


def _about_codes(scores: Scores) -> str:
    count = scores.top1.of
    return (
        f"{scores.coded.hits:,} of {count:,} records have a code ({scores.codes / count:.2f} codes a record); "
        "the others, abstentions and failures, are misses and the least sure."
    )


def _about_unanswered(found: Evaluation) -> str:
    """What broken off means for the figures; providers may bill what was cut off."""
    told = f"{found.done:,} of {found.asked:,} records were answered; the others are in no figure and no file."
    calls, cost = found.unanswered.calls, found.unanswered.cost_usd
    if not calls:
        return told
    known = f", {cost:,.4f} US dollars as far as is known" if cost else ""
    were = "LLM call was" if calls == 1 else "LLM calls were"
    billed = "" if found.model == OFFLINE_MODEL else f", and may be billed{known}"
    return f"{told} {calls:,} {were} begun for these{billed}."


def _spending(found: Evaluation) -> Table:
    table = _table(f"What it took ({found.done:,} records)")
    for name in ("operation", "calls", "tokens in", "tokens out", "US dollars", "seconds"):
        table.add_column(name, justify="left" if name == "operation" else "right")
    table.add_row("", "a record", "a record", "a record", "per 1,000", "per 1,000", style="dim")
    for operation in found.operations:
        table.add_row(operation.value, *_spent(found, found.spending[operation.value]), "")
    seconds = f"{found.per_record(found.seconds) * 1000:,.1f}"
    table.add_row("all", *_spent(found, Spending.total(found.spending.values())), seconds)
    return table


def _spent(found: Evaluation, spent: Spending) -> tuple[str, str, str, str]:
    """A figure of which a part is unknown is a lower bound, and says so."""
    at_least = "at least " if spent.untold else ""
    tokens = [
        f"{at_least}{found.per_record(count):,.0f}" if spent.tokens_known else _UNKNOWN
        for count in (spent.input_tokens, spent.output_tokens)
    ]
    return f"{found.per_record(spent.calls):.2f}", tokens[0], tokens[1], _cost(found, spent)


def _cost(found: Evaluation, spent: Spending) -> str:
    if spent.calls and spent.unpriced == spent.calls:
        return _UNKNOWN
    thousand = f"{float(spent.cost_usd) * found.per_record(1000):,.4f}"
    return thousand if spent.cost_known else f"at least {thousand}"


def _shares(share: Share) -> tuple[str, str]:
    low, high = share.interval
    return f"{share.value:.3f}", f"{low:.3f} to {high:.3f}"


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)


def _say(console: Console, line: str) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=True)
