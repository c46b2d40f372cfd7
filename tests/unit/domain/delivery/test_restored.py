"""What was hidden comes back into results, within one bound for each: they have to fit on their topics."""

import json
import re

import pytest

from domain.privacy.anonymised import anonymised
from domain.privacy.kinds import Kind
from domain.privacy.spans import Span
from tests.builders import a_framework, a_record, a_summary_request, an_analysis_request
from tests.unit.domain.delivery.setup import Setup

URL = "https://x.org/" + "a" * 88_000
QUOTED = "https://x.org/" + '"' * 40_000
MAIL = "a@x.org"


class Links:
    """An anonymiser that knows web addresses and one of mail."""

    async def anonymise(self, texts, language=None):
        spans = [
            [
                Span(*match.span(), Kind.URL if match.group().startswith("http") else Kind.EMAIL)
                for match in re.finditer(r"https\S+|a@x\.org", text)
            ]
            for text in texts
        ]
        return anonymised(texts, spans, ["links"], [None] * len(texts))


BULLETS = ["See [URL_1] or [EMAIL_1]."] * 5
REASON = {"reason": "[URL_1] " * 60}
CODES = [{"id": code, "confidence": [0.9] * 3} | REASON for code in ("1.1.1", "1.1.2")]
FINDINGS = [{"type": kind, "confidence": 0.3} | REASON for kind in ("harmful_aid", "corruption")]
THEME = {"title": "[URL_1]", "summary": "[URL_1] " * 100, "records": [1]}

SAYING = {
    "summarize": json.dumps({"title": "T", "bullets": BULLETS}),
    "assign_codes": json.dumps({"codes": CODES}),
    "detect_sensitive": json.dumps({"findings": FINDINGS}),
    "analyze": json.dumps({"answer": "[URL_1] " * 6000, "confidence": 0.5}),
    "summarize_aggregate": json.dumps({"title": "T", "themes": [THEME] * 3}),
}


async def results_on(link):
    """The messages of results about records that hold a link."""
    setup = Setup(a_framework(), saying=SAYING, anonymiser=Links())
    text = f"See {link} or {MAIL}"
    await setup.handle(a_record(content=text, operations=list(SAYING)[:3]))
    asked = [{"record_id": "r1", "content": text}]
    await setup.handle(an_analysis_request(records=asked), topic="feedback.requests")
    await setup.handle(a_summary_request(records=asked), topic="feedback.requests")
    assert not setup.publisher.dead_letters()
    return [message.value for message in setup.publisher.acknowledged]


@pytest.mark.parametrize("link", [URL, QUOTED])
async def test_an_original_that_is_repeated_in_many_texts_leaves_each_result_small_enough(link):
    values = await results_on(link)
    assert len(values) == 5
    assert max(map(len, values)) < 300_000
    assert all(json.dumps(link).encode()[1:-1] in value for value in values)


async def test_what_is_left_of_the_bound_is_for_shorter_ones():
    values = await results_on(URL)
    (summary,) = [found for value in values if "bullets" in (found := json.loads(value))]
    assert summary["bullets"] == [f"See {URL} or {MAIL}."] + [f"See [URL_1] or {MAIL}."] * 4
