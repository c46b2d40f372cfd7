"""Agreement: what the counts come to, held against scikit-learn."""

import warnings
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, precision_score, recall_score

from domain.agreement import AgreementCounts, AgreementQuestion, CodeCounts, agreement, kappa
from domain.usage.report import Window

QUESTION = AgreementQuestion(
    "red-cross", "fw", Window(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
)
SETS = st.frozensets(st.sampled_from("abcd"))
JUDGED = st.lists(st.tuples(SETS, SETS), min_size=1, max_size=30)


def counted(judged: list[tuple[frozenset[str], frozenset[str]]]) -> AgreementCounts:
    """What a store counts of records with the codes of the coding and those of the analyst."""
    given_to_any = sorted(set().union(*(ours | theirs for ours, theirs in judged)))
    codes = tuple(
        CodeCounts(
            code,
            sum(code in ours for ours, _ in judged),
            sum(code in theirs for _, theirs in judged),
            sum(code in ours & theirs for ours, theirs in judged),
        )
        for code in given_to_any
    )
    return AgreementCounts(len(judged), sum(ours == theirs for ours, theirs in judged), codes)


def reference(code: str, judged: list[tuple[frozenset[str], frozenset[str]]]) -> dict[str, float | None]:
    assigned = [code in ours for ours, _ in judged]
    right = [code in theirs for _, theirs in judged]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of one label alone
        agreed = cohen_kappa_score(assigned, right, labels=[False, True])
    return {
        "precision": precision_score(right, assigned, zero_division=0) if any(assigned) else None,
        "recall": recall_score(right, assigned, zero_division=0) if any(right) else None,
        "kappa": None if all(assigned) and all(right) else agreed,
    }


@given(JUDGED)
def test_each_code_has_the_figures_that_scikit_learn_gives_it(judged):
    counts = counted(judged)
    answer = agreement(QUESTION, counts)

    assert [code.code_id for code in answer.codes] == [code.code_id for code in counts.codes]
    for code in answer.codes:
        assert code.n == len(judged)
        found = {name: getattr(code, name) for name in ("precision", "recall", "kappa")}
        assert found == pytest.approx(reference(code.code_id, judged))


@given(JUDGED)
def test_the_whole_is_made_of_its_codes(judged):
    answer = agreement(QUESTION, counted(judged))

    right = sum(len(ours & theirs) for ours, theirs in judged)
    given_by = [sum(len(pair[side]) for pair in judged) for side in (0, 1)]
    assert answer.overall.records == len(judged)
    assert answer.overall.exact_match == pytest.approx(sum(ours == theirs for ours, theirs in judged) / len(judged))
    for share, whole in zip((answer.overall.micro_precision, answer.overall.micro_recall), given_by, strict=True):
        assert share == (pytest.approx(right / whole) if whole else None)
    kappas = [code.kappa for code in answer.codes if code.kappa is not None]
    assert answer.overall.macro_kappa == (pytest.approx(sum(kappas) / len(kappas)) if kappas else None)


def test_kappa_of_cohens_own_kind_of_table():
    """50 records, both yes 20, only one 5, only the other 10, both no 15: po 0.7, pe 0.5."""
    assert kappa(50, 25, 30, 20) == pytest.approx(0.4)


def test_what_is_not_defined_is_null_and_nothing_at_all_is_an_answer():
    nobody = agreement(QUESTION, AgreementCounts(0, 0, ()))
    assert set(nobody.overall.model_dump(exclude={"records"}).values()) == {None}
    assert (nobody.overall.records, nobody.codes) == (0, ())

    always = agreement(QUESTION, AgreementCounts(3, 3, (CodeCounts("a", 3, 3, 3),)))
    assert (always.codes[0].kappa, always.overall.macro_kappa, always.overall.exact_match) == (None, None, 1.0)

    missed = agreement(QUESTION, AgreementCounts(3, 1, (CodeCounts("a", 0, 2, 0),))).codes[0]
    assert (missed.precision, missed.recall, missed.kappa) == (None, 0.0, 0.0)
