"""Which records count, and what their labels say."""

import json

import pytest

from domain.errors import UserError
from runtime.evaluation.choosing import Condition, random_part
from runtime.evaluation.sample import Choice, read_sample
from runtime.settings import Settings
from schemas.operations import RecordOperation
from tests.builders import TENANT, a_framework

FRAMEWORK = a_framework()
WATER = ("services", "water", "dry-water-point")


@pytest.fixture
def sample_of(tmp_path):
    """What is read of these lines."""

    def read(*lines, label="metadata.codes", **choice):
        records, framework = tmp_path / "records.jsonl", tmp_path / "framework.json"
        numbered = ({"id": f"r{at}", "content": "Dry."} | line for at, line in enumerate(lines, 1))
        records.write_text("".join(json.dumps(line) + "\n" for line in numbered), encoding="utf-8")
        framework.write_bytes(FRAMEWORK.to_bytes())
        asked = {"operations": (RecordOperation.ASSIGN_CODES,), "tenant": TENANT} | choice
        return read_sample(Settings(), Choice(records, (framework,), label=label, **asked))

    return read


def test_a_condition_takes_texts_lists_and_json():
    wanted = {"a": ["x", "y"], "b": True, "c": 3}
    assert Condition("a", "y").holds(wanted)
    assert Condition("b", "true").holds(wanted)
    assert not Condition("b.c", "true").holds(wanted)
    assert not Condition("d", "null").holds(wanted)


def test_any_label_of_a_list_is_right_and_null_says_that_none_fits(sample_of):
    sample = sample_of(
        {"expected": "dry-water-point"},
        {"expected": ["thanks", "dry-water-point", "gone"]},
        {"expected": None},
        {"other": 1},
        {"expected": "gone"},
        label="expected",
    )
    assert [one.right for one in sample.records] == [(WATER,), (("thanks",), WATER), ()]
    unlabelled, unknown = sample.notices
    assert "1 records have nothing under `expected`" in unlabelled
    assert "line 4" in unlabelled
    assert "line 5" in unknown


def test_every_condition_counts_and_a_seed_chooses_always_the_same(sample_of):
    lines = [{"metadata": {"codes": "thanks", "n": at, "even": at % 2 == 0}, "eval": {"s": "p"}} for at in range(20)]
    even = (Condition("metadata.even", "true"), Condition("eval.s", "p"))
    assert len(sample_of(*lines, where=even).records) == 10
    few = [one.record.line for one in sample_of(*lines, where=even, limit=4, seed=7).records]
    assert few == [one.record.line for one in sample_of(*lines, where=even, limit=4, seed=7).records]
    assert few == sorted(few)
    assert len(set(few)) == 4
    assert random_part([1, 2], 5, 0) == [1, 2]


@pytest.mark.parametrize(
    ("line", "choice", "said"),
    [
        ({}, {}, "no record has anything under `metadata.codes`"),
        ({"metadata": {"codes": "secret text"}}, {}, "no label under `metadata.codes` is the id of a code"),
        ({"metadata": {"codes": {"a": 1}}}, {}, "Line 1 has no labels under"),
        ({"metadata": {"codes": "thanks"}}, {"where": (Condition("x", "y"),)}, "fits every --where"),
    ],
)
def test_what_cannot_be_scored_is_a_persons_mistake(sample_of, line, choice, said):
    with pytest.raises(UserError, match=said) as caught:
        sample_of(line, **choice)
    assert "secret text" not in caught.value.message + caught.value.remedy


def test_without_coding_no_label_is_needed(sample_of):
    assert len(sample_of({}, operations=(RecordOperation.SUMMARIZE,)).records) == 1
