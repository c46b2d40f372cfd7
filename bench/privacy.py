"""What leaks: personal data that a model would still see, by kind and language, and what is replaced for nothing.

    python -m bench.privacy [--each 60] [--seed 5] [--ner off|auto|NAME] [--show 5]

Prints tables in Markdown, as docs/privacy.md has them. The corpus is made by chance from the seed; nothing of it
belongs to anybody. A value has leaked when any word or number of it is left to be seen.
"""

import argparse
import asyncio
import re
import time
from collections import defaultdict
from collections.abc import Mapping
from itertools import groupby

from adapters.privacy.factory import PrivacySettings, open_anonymiser
from bench.privacy_corpus import LANGUAGES, Case, cases, negatives
from domain.ports import Anonymiser
from domain.unseen import CONTROLS, DEFAULT_IGNORABLE

_WORDS = re.compile(r"\w+")
_GAPS = "\t\n\r"
Shares = dict[tuple[str, str], list[bool]]
"""By kind and language: of each record, whether it went wrong."""


def leaked(case: Case, masked: str) -> bool:
    """Whether the value, or a word of it that is not in its record anyhow, is left."""
    value, shown = seen(case.value or ""), seen(re.sub(r"\[[A-Z]+_\d+\]", " ", masked))
    before, _, behind = case.text.partition(case.value or "")
    known, left = set(_WORDS.findall(seen(before + behind))), set(_WORDS.findall(shown))
    return value in shown or any(len(word) > 1 and word in left and word not in known for word in _WORDS.findall(value))


def seen(text: str) -> str:
    """The text without what nobody sees: a model may read over it."""
    return "".join(one for one in text if one in _GAPS or ord(one) not in CONTROLS | DEFAULT_IGNORABLE)


async def measure(anonymiser: Anonymiser, corpus: list[Case], show: int) -> tuple[Shares, float]:
    """Which records went wrong, and milliseconds for each."""
    wrong: Shares = defaultdict(list)
    shown: dict[tuple[str, str], int] = defaultdict(int)
    began = time.perf_counter()
    masked = [(await anonymiser.anonymise([case.text])).texts[0] for case in corpus]
    each = (time.perf_counter() - began) / len(corpus) * 1000
    for case, text in zip(corpus, masked, strict=True):
        key = (case.kind or "", case.language)
        fault = leaked(case, text) if case.value else text != case.text
        wrong[key].append(fault)
        if fault and shown[key] < show:
            shown[key] += 1
            print(f"  {case.kind or 'nothing personal'} {case.language}: {case.text}  ->  {text}")
    return wrong, each


def row(name: str, shares: Mapping[str, list[bool]]) -> str:
    """A line of the table: percents by language, then over all."""
    everything = [fault for faults in shares.values() for fault in faults]
    cells = [100 * sum(faults) / len(faults) for faults in (*shares.values(), everything)]
    return f"| {name} | " + " | ".join(f"{cell:.1f}" for cell in cells) + " |"


async def run(each: int, seed: int, ner: str, show: int) -> None:
    """Measure, and print the tables."""
    async with open_anonymiser(PrivacySettings(ner=ner)) as anonymiser:
        looked = (await anonymiser.anonymise(["x"])).recognisers
        personal, harmless = list(cases(seed, each)), list(negatives(seed, each))
        wrong, first = await measure(anonymiser, personal, show)
        false, second = await measure(anonymiser, harmless, show)
    print(
        f"\nRecognisers: {', '.join(looked)}. {len(personal)} records with one value each, {len(harmless)} without.\n"
    )
    print(f"| leaked, % | {' | '.join(LANGUAGES)} | all |\n|---|{'---:|' * (len(LANGUAGES) + 1)}")
    for kind, _ in groupby(case.kind or "" for case in personal):
        print(row(kind, {language: wrong[kind, language] for language in LANGUAGES}))
    print(row("nothing personal, and yet replaced", {language: false["", language] for language in LANGUAGES}))
    print(f"\n{first:.2f} ms a record, one at a time; {second:.2f} ms one without anything personal.")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--each", type=int, default=60, help="records of each kind in each language")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--ner", default="off", help="off, auto or a recogniser's name, as PRIVACY_NER")
    parser.add_argument("--show", type=int, default=0, help="print so many faults of each kind in each language")
    given = parser.parse_args()
    asyncio.run(run(given.each, given.seed, given.ner, given.show))


if __name__ == "__main__":
    main()
