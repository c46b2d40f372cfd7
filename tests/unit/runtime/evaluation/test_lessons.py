"""What is learned before an evaluation: from corrections of other records, or from a part of the labelled ones."""

import json

import pytest

from domain.errors import UserError
from runtime.evaluation.sample import Choice, read_sample
from runtime.settings import Settings
from schemas.operations import RecordOperation
from tests.builders import FRAMEWORK, TENANT, a_framework

SETTINGS = Settings(_env_file=None)
PAID = Settings(_env_file=None, llm_model="openai/gpt-4o-mini", llm_api_key="k")


class Line(str):
    """A line of a file as it stands there."""


def a_correction(number, **fields):
    usual = {
        "tenant_id": TENANT,
        "record_id": f"c{number}",
        "framework_id": FRAMEWORK,
        "code_ids": ["thanks"],
        "content": f"Corrected {number}.",
        "corrected_at": "2026-05-04T12:00:00Z",
    }
    return usual | fields


@pytest.fixture
def sample_of(tmp_path):
    """What is read of so many labelled records, and of these corrections."""

    def read(count=10, corrections=None, settings=SETTINGS, framework=None, content="Dry {}.", **choice):
        def written(name, values):
            file = tmp_path / name
            file.write_text("".join(_line(value) + "\n" for value in values), encoding="utf-8")
            return file

        lines = (
            {"id": f"r{at}", "content": content.format(at), "metadata": {"codes": "thanks"}} for at in range(count)
        )
        frameworks = (written("frame.json", [framework or a_framework().model_dump(mode="json")]),)
        given = None if corrections is None else written("corrections.jsonl", corrections)
        asked = {"operations": (RecordOperation.ASSIGN_CODES,), "label": "metadata.codes"} | choice
        records = written("records.jsonl", lines)
        return read_sample(settings, Choice(records, frameworks, tenant=TENANT, corrections=given, **asked))

    return read


def _line(value):
    return value if isinstance(value, Line) else json.dumps(value)


def test_lines_that_are_no_corrections_are_named_and_left_out(sample_of):
    bad = [{"tenant_id": TENANT}, Line("{"), a_correction(3, content=" "), 7]
    sample = sample_of(corrections=[a_correction(1), *bad, Line(""), a_correction(2)])
    assert [one.content for one in lessons(sample)] == ["Corrected 1.", "Corrected 2."]
    (notice,) = sample.notices
    assert notice.startswith("4 of 6 lines of ")
    assert "are no corrections and are left out (lines 2, 3, 4 and 1 more); line 2: " in notice
    assert "record_id" in notice


def lessons(sample, framework_id=FRAMEWORK):
    return sample.book.lessons.find(TENANT, framework_id).lessons


def test_corrections_are_learned_from_and_their_frameworks_may_be_named_as_files_are(sample_of):
    named = sample_of(corrections=[a_correction(1, record_id="7"), a_correction(2, content=None)])
    assert [(one.content, one.code_ids) for one in lessons(named)] == [("Corrected 1.", ("thanks",))]
    # A record goes by the number of its line: no lesson may pass for the very record that is measured on line 7.
    assert not lessons(named)[0].record_id.isdigit()
    assert (named.book.count, len(named.records), named.notices) == (1, 10, [])

    nameless = a_framework().model_dump(mode="json", exclude={"framework_id", "tenant_id", "version"})
    corrections = [a_correction(1, framework_id="frame"), a_correction(2, framework_id="another")]
    by_file = sample_of(corrections=corrections, framework=nameless)
    assert len(lessons(by_file, by_file.frameworks[0].framework_id)) == 1
    assert any("1 of 2 corrections are of other frameworks" in notice for notice in by_file.notices)


def test_what_teaches_nothing_is_not_counted_and_is_said(sample_of):
    corrections = [
        *(a_correction(at) for at in range(4)),
        *(a_correction(at, code_ids=[]) for at in (4, 5)),
        a_correction(6, code_ids=["thanx"]),
        a_correction(7, code_ids=["thanks", "wather", "helth", "watr"]),
    ]
    sample = sample_of(corrections=corrections)
    assert sample.book.count == 5  # as the reasons of codes say: taught by 5 corrections
    assert sample.notices == [
        "That no code fits, as 2 of 8 corrections say, teaches nothing.",
        "Codes of corrections that their framework does not have teach nothing: thanx, wather, helth and 1 more.",
    ]
    # A model that is shown examples sees that no code fits.
    shown = sample_of(corrections=corrections, settings=PAID.model_copy(update={"corrected_examples": 3}))
    assert (shown.book.count, len(shown.notices)) == (7, 1)


def test_a_record_that_is_corrected_is_not_measured(sample_of):
    with pytest.raises(UserError, match=r"1 of the corrected records are in .*is r3 on line 4") as caught:
        sample_of(corrections=[a_correction(1), a_correction(2, record_id="r3")])
    assert "Take them out of one of the two files" in caught.value.remedy
    elsewhere = sample_of(corrections=[a_correction(1), a_correction(2, record_id="r3", tenant_id="another")])
    assert len(elsewhere.records) == 10


def test_nor_is_one_with_the_same_text_under_another_id(sample_of):
    sample = sample_of(corrections=[a_correction(1, content=" Dry 3.\n")])
    assert [one.record.record_id for one in sample.records] == [f"r{at}" for at in range(10) if at != 3]
    assert "1 records have the text of one that is learned from, and are left out." in sample.notices
    with pytest.raises(UserError, match="Every record has the text of one"):
        sample_of(content="All the same.", learn_share=0.5)


def test_a_share_is_learned_from_and_the_rest_is_measured(sample_of):
    halves = sample_of(20, learn_share=0.25, seed=7)
    learned = {one.content for one in lessons(halves)}
    measured = {one.record.payload["content"] for one in halves.records}
    assert (len(learned), len(measured), learned & measured) == (5, 15, set())
    assert {one.content for one in lessons(sample_of(20, learn_share=0.25, seed=7))} == learned
    assert {one.content for one in lessons(sample_of(20, learn_share=0.25, seed=8))} != learned
    assert len(sample_of(20, learn_share=0.25, limit=4).records) == 4
    with pytest.raises(UserError, match=r"3 records cannot be parted by --learn-share 0\.01"):
        sample_of(3, learn_share=0.01)


def test_where_nothing_learns_the_same_records_are_measured_and_it_is_said(sample_of):
    halves = sample_of(20, learn_share=0.5)
    for settings in (PAID, Settings(_env_file=None, learn_from_corrections=False)):
        without = sample_of(20, learn_share=0.5, settings=settings)
        assert [one.record.line for one in without.records] == [one.record.line for one in halves.records]
        assert (without.book.lessons, without.book.count) == (None, 0)
        assert any("Nothing is learned from the corrections" in notice for notice in without.notices)
    shown = sample_of(20, learn_share=0.5, settings=PAID.model_copy(update={"corrected_examples": 3}))
    assert shown.book.count == 10


@pytest.mark.parametrize(
    ("corrections", "words"),
    [
        ([], "holds no corrections"),
        (
            [{"tenant_id": TENANT}, {}],
            r"None of the 2 lines of .*corrections.jsonl is a correction; line 1: .*record_id",
        ),
        ([a_correction(1, content=" ")], "Line 1 of .* is no correction: The content is empty"),
        ([a_correction(1, code_ids=[])], "None of 1 corrections teaches anything: That no code fits, as 1 of 1"),
        ([a_correction(1, code_ids=["thanx"])], "None of 1 corrections teaches anything: .* have teach nothing: thanx"),
        ([a_correction(1, content=None)], "None of 1 corrections can be learned from"),
        ([a_correction(1, framework_id="another")], "None of 1 corrections can be learned from"),
    ],
)
def test_corrections_that_are_none_or_teach_nothing_are_a_persons_mistake(sample_of, corrections, words):
    with pytest.raises(UserError, match=words):
        sample_of(corrections=corrections)


def test_corrections_go_with_codes(sample_of):
    with pytest.raises(UserError, match="no codes are asked for"):
        sample_of(learn_share=0.5, operations=(RecordOperation.SUMMARIZE,))
