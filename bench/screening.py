"""How often `offline/semantic` finds sensitive content, and how often it cries wolf.

    python -m bench.screening

Over `samples/screening.jsonl`, sentences of our own with the types that fit each (none: everyday feedback), by
language. The settings of the model were chosen while looking at those that are not held out; the held-out ones were
written and measured when everything was set. And over `samples/records.jsonl`, whole records: those under codes that
their frameworks call sensitive, and the others, of which a few are sensitive all the same.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters.offline.engine import Engine
from domain.operations import detect_sensitive
from schemas.frameworks import Code, CodingFramework
from schemas.records import FeedbackRecordSubmitted

SAMPLES = Path(__file__).parents[1] / "samples"


@dataclass(slots=True)
class Score:
    """Counts of sensitive and of everyday texts, and of those among them in which anything was found.

    Attributes:
        typed: sensitive texts of which a type that fits was named.
    """

    sensitive: int = 0
    found: int = 0
    typed: int = 0
    everyday: int = 0
    alarms: int = 0

    def add(self, fitting: set[str], named: set[str], *, sensitive: bool) -> None:
        """Count a text."""
        if sensitive:
            self.sensitive += 1
            self.found += bool(named)
            self.typed += bool(named & fitting)
        else:
            self.everyday += 1
            self.alarms += bool(named)

    def line(self, name: str) -> str:
        """The counts as a row."""
        flagged = self.found + self.alarms
        precision = f"{self.found / flagged:.2f}" if flagged else "-"
        return (
            f"{name:<16} found {self.found:>3} of {self.sensitive:>3}, a fitting type {self.typed:>3}; "
            f"false alarms {self.alarms:>3} of {self.everyday:>3}; precision {precision}"
        )


def main() -> None:
    """Measure and print."""
    engine = Engine()
    for held_out in (False, True):
        scores: dict[str, Score] = defaultdict(Score)
        for given in _lines("screening.jsonl"):
            if given["held_out"] is held_out:
                named = _named(engine, given["content"])
                for name in (given["language"], "all"):
                    scores[name].add(set(given["types"]), named, sensitive=bool(given["types"]))
        print("held-out sentences" if held_out else "sentences that settings were chosen with")
        print(*(score.line(name) for name, score in scores.items() if name != "all"), sep="\n")
        print(scores["all"].line("all"))
    codes = _sensitive_codes()
    score = Score()
    for record in _lines("records.jsonl"):
        score.add(set(), _named(engine, record["content"]), sensitive=record["expected_code"] in codes)
    print("sample records, sensitive by their codes (types are not given)")
    print(score.line("all"))


def _named(engine: Engine, content: str) -> set[str]:
    prompt = detect_sensitive.prompt(FeedbackRecordSubmitted(tenant_id="bench", record_id="r", content=content))
    return {found.type.value for found in detect_sensitive.parse(engine.answer(prompt.system, prompt.user)).findings}


def _lines(name: str) -> Iterator[dict[str, Any]]:
    with (SAMPLES / name).open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def _sensitive_codes() -> set[str]:
    found: set[str] = set()

    def walk(codes: tuple[Code, ...], *, inherited: bool) -> None:
        for code in codes:
            if inherited or code.sensitive:
                found.add(code.id)
            walk(code.children, inherited=inherited or code.sensitive)

    for path in sorted((SAMPLES / "frameworks").glob("*.json")):
        walk(CodingFramework.model_validate_json(path.read_text(encoding="utf-8")).root_codes, inherited=False)
    return found


if __name__ == "__main__":
    main()
