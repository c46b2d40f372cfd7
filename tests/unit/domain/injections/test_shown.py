"""Text that is shown to a model stays in its envelope in the user message; the system message is as without it."""

import pytest

from tests.injections import ATTEMPTS
from tests.unit.domain.injections.prompts import ANOTHER, ORDINARY, PLACES, batch, envelopes, is_clean, shape


def test_the_corpus_is_as_large_as_the_docs_say():
    assert len(set(ATTEMPTS.values())) == len(ATTEMPTS) == 98


@pytest.mark.parametrize("place", PLACES)
def test_an_attempt_stays_in_its_envelope_and_the_instructions_as_they_are(place):
    ask, kept, where = PLACES[place]
    ordinary = ask(ORDINARY)
    for name, attempt in ATTEMPTS.items():
        prompt = ask(attempt)
        assert prompt.system == ordinary.system, name
        assert (prompt.version, prompt.max_output_tokens) == (ordinary.version, ordinary.max_output_tokens), name
        assert [message["role"] for message in prompt.messages()] == ["system", "user"]
        assert shape(prompt.user) == shape(ordinary.user), name
        assert envelopes(prompt.user)[where][2] == kept(attempt), name
        assert is_clean(prompt), name


@pytest.mark.parametrize("place", range(3))
def test_an_attempt_in_a_batch_changes_nothing_of_the_other_records(place):
    contents = [ORDINARY, ANOTHER, "The clinic is closed."]
    before = batch(*contents)
    for name, attempt in ATTEMPTS.items():
        now = batch(*contents[:place], attempt, *contents[place + 1 :])
        for other in {0, 1, 2} - {place}:
            assert now.checks[other] == before.checks[other], name
            assert envelopes(now.prompt().user)[other] == envelopes(before.prompt().user)[other], name
