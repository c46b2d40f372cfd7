"""The application, made of its ports."""

from fastapi import FastAPI

from api import agreement, dead_letters, docs, errors, health, key_holder, usage, usage_failures, usage_query
from api.health import Ready
from api.limits import Limits
from api.page import router as page
from api.rate_limits import RateLimits
from api.request_ids import RequestIDs
from domain.agreement import AgreementReader
from domain.dead_letters.counts import DeadLetterReader
from domain.keys import KeyFinder
from domain.usage.answers import UsageAnswers
from domain.usage.failures import FailureAnswers

_DESCRIPTION = (
    "What was used, by whom, for what, at what cost. Windows are half-open, [from, to). `llm_calls` counts attempts by "
    "the moment they started; `invocations` counts operations by the moment they began, with all of their calls. Money "
    "is in US dollars, as decimal strings. And how far codings agree with the analysts who corrected them, and what "
    "could not be answered."
)


def create_app(
    usage_answers: UsageAnswers,
    keys: KeyFinder,
    ready: Ready,
    version: str = "0.1.0",
    *,
    rate_limits: RateLimits | None = None,
    agreement_reader: AgreementReader | None = None,
    failure_answers: FailureAnswers | None = None,
    dead_letter_reader: DeadLetterReader | None = None,
) -> FastAPI:
    """The read API over its ports; nothing connects here.

    Args:
        usage_answers: answers the questions about usage.
        keys: finds API keys.
        ready: whether questions can be answered now.
        version: what the description says.
        rate_limits: how often a key may ask; None for the defaults.
        agreement_reader: counts judged records; without it there is no `/v1/agreement`.
        failure_answers: counts failures, retries and repeats; without it there is no `/v1/usage/failures`.
        dead_letter_reader: counts dead letters; without it there is no `/v1/dead-letters`.
    """
    app = FastAPI(
        title="feedback-streams usage",
        version=version,
        description=_DESCRIPTION,
        # FastAPI's own pages load their scripts from the internet.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.usage, app.state.keys, app.state.ready = usage_answers, keys, ready
    app.state.rate_limits = rate_limits or RateLimits()
    app.add_middleware(Limits)
    app.add_middleware(RequestIDs)  # the last one is the outermost
    errors.install(app)
    app.state.agreement, app.state.failures = agreement_reader, failure_answers
    app.state.dead_letters = dead_letter_reader
    further = [agreement] if agreement_reader is not None else []
    further += [usage_failures] if failure_answers is not None else []
    further += [dead_letters] if dead_letter_reader is not None else []
    for part in (usage, usage_query, *further, key_holder, health, docs, page):
        app.include_router(part.router)
    return app
