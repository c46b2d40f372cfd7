"""What the local provider answers: the prompts' own format read back, with an answer that fits, made by no model."""

import html
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

_CODE_LINE = re.compile(r"^(\d+(?:\.\d+)*) ([^:\n]+)", re.MULTILINE)
_FRAMEWORK = re.compile(r"^<framework>$\n(.*?)^</framework>$", re.MULTILINE | re.DOTALL)
_MAX_CODES = re.compile(r"^max_codes: (\d+)$", re.MULTILINE)
_NUMBERED = re.compile(r'<feedback_record number="(\d+)" check="(\w+)">\n(.*?)\n</feedback_record>', re.DOTALL)
_RECORD = re.compile(r"<feedback_record[^>]*>\n(.*?)\n</feedback_record>", re.DOTALL)
_WEIGHT = re.compile(r'^<(?:findings|theme) number="\d+" records="(\d+)"', re.MULTILINE)
_REFERENCE = re.compile(r"\[#\S+?#\]")
_WORD = re.compile(r"\w{4,}")
_REASON = "The words of the record are near to the code's name."


@dataclass(frozen=True)
class Question:
    """The stable part of a prompt, as far as an answer needs it: the task and the codes (id and words of its name)."""

    task: str
    codes: tuple[tuple[str, frozenset[str]], ...]
    max_codes: int


@lru_cache(maxsize=256)
def read_system(system: str) -> Question:
    """Read a system message: `Task: ...` first, then the framework's lines and `max_codes`, where there are any."""
    first = system.partition("\n")[0]
    task = first.removeprefix("Task:").strip() if first.startswith("Task:") else ""
    frameworks = _FRAMEWORK.findall(system)
    lines = _CODE_LINE.findall(frameworks[-1]) if frameworks else []
    codes = tuple((code, frozenset(_WORD.findall(name.lower()))) for code, name in lines)
    limit = _MAX_CODES.findall(system)
    return Question(task, codes, int(limit[-1]) if limit else 1)


def records(user: str) -> list[str]:
    """The texts in their envelopes, as the community wrote them; the whole message where there is no envelope."""
    return [html.unescape(text) for text in _RECORD.findall(user)] or [user]


def answer(question: Question, user: str) -> str:
    """The JSON text that answers a prompt of ours, the same for the same prompt."""
    if question.task.startswith("assign_codes"):
        alone = question.task == "assign_codes"
        return json.dumps(_codes(question, user) if alone else {"records": _batch(question, user)})
    if question.task == "summarize":
        words = records(user)[0].split()
        return json.dumps(
            {"title": "A community member speaks", "bullets": [" ".join(words[:12]) or "Nothing was said."]},
            ensure_ascii=False,
        )
    many = _over_many(question.task, user)
    if many is not None:
        return json.dumps(many)
    if question.task == "detect_sensitive":
        finding = {"type": "theft", "confidence": 0.4, "reason": "The record speaks of something that was stolen."}
        return json.dumps({"findings": [finding] if "stole" in user else []})
    if question.task == "judge":
        return json.dumps({"faithfulness": 0.9, "coverage": 0.8, "clarity": 1.0})
    return json.dumps({"answer": "What was asked is none of the known tasks."})


def _over_many(task: str, user: str) -> dict[str, object] | None:
    whose = _reference(user)
    if task in ("analyze", "analyze_map"):
        return {"answer": f"{len(records(user))} records were read.{whose}", "confidence": 0.7}
    if task == "analyze_reduce":
        return {"answer": f"{sum(_weights(user))} records were read in chunks.{whose}", "confidence": 0.6}
    if task == "summarize_aggregate":
        return _themes("records", len(records(user)), whose)
    return _themes("parts", len(_weights(user)), whose) if task == "summarize_aggregate_merge" else None


def _reference(user: str) -> str:
    """What the first record, or finding, refers to, `[#so#]`: it is told on from step to step."""
    found = _REFERENCE.search(user)
    return f" {found[0]}" if found else ""


def _themes(key: str, count: int, whose: str) -> dict[str, object]:
    """One theme that holds all that there is."""
    summary = f"It all speaks of the same.{whose}"
    theme = {"title": "All that was said", "summary": summary, key: list(range(1, count + 1))}
    return {"title": "What people say", "themes": [theme]}


def _weights(user: str) -> list[int]:
    """How many records each of the findings, or themes, rests on."""
    return [int(count) for count in _WEIGHT.findall(user)]


def unknown_id_answer(task: str) -> str | None:
    """An answer of the right shape that names a code, or a type, which does not exist; None for other tasks."""
    if task == "detect_sensitive":
        return json.dumps({"findings": [{"type": "sorcery", "confidence": 0.9, "reason": _REASON}]})
    if task != "assign_codes":
        return None
    code = {"id": "999.999", "confidence": [0.9, 0.9], "reason": _REASON}
    return json.dumps({"codes": [code], "abstained_because": None})


def tokens(text: str) -> int:
    """How many tokens the provider bills for a text: about one for each four characters."""
    return len(text) // 4 + 1


def _batch(question: Question, user: str) -> list[dict[str, object]]:
    """Each record's codes; those of records marked `[[swap-numbers]]` with the numbers of the next such one.

    A record marked `[[unknown-number]]` gets a number that none has.
    """
    found = _NUMBERED.findall(user)
    answers = [
        {"record": int(number), "check": check, **_codes(question, f"<feedback_record>\n{text}\n</feedback_record>")}
        for number, check, text in found
    ]
    liars = [answer for answer, (_, _, text) in zip(answers, found, strict=True) if "[[swap-numbers]]" in text]
    numbers = [answer["record"] for answer in liars]
    for liar, number in zip(liars, numbers[1:] + numbers[:1], strict=True):
        liar["record"] = number
    for each, (_, _, text) in zip(answers, found, strict=True):
        if "[[unknown-number]]" in text:
            each["record"] = len(found) + 1
    return answers


def _codes(question: Question, user: str) -> dict[str, object]:
    if not question.codes:
        return {"codes": [], "abstained_because": "There is no code to choose from."}
    words = set(_WORD.findall(records(user)[0].lower()))
    seed = int.from_bytes(blake2b(user.encode(), digest_size=4).digest(), "big")
    fallback = question.codes[seed % len(question.codes)]
    best = max(question.codes, key=lambda code: len(words & code[1]))
    chosen = best[0] if words & best[1] else fallback[0]
    levels = chosen.count(".") + 1
    code = {"id": chosen, "confidence": [round(0.9 - 0.1 * min(n, 5), 2) for n in range(levels)], "reason": _REASON}
    return {"codes": [code], "abstained_because": None}
