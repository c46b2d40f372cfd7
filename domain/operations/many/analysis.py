"""An analysis as work: in one prompt where the records fit, else in chunks; with the codes' trend, which we count."""

from dataclasses import dataclass
from functools import partial

from domain.operations import analyze
from domain.operations.many import hierarchical
from domain.operations.many.choosing import ask_once, in_one_prompt
from domain.operations.many.limits import Limits
from domain.operations.many.trend import PastCodings, known_codes, trend_of
from domain.operations.work import Found, Steps
from schemas.requests import AnalysisRequested


@dataclass(frozen=True, slots=True)
class Analysis:
    """Answers an analyst's question over the records of a request.

    Attributes:
        request: the whole request, all its parts put together.
        limits: how much goes into one prompt, how much is asked at once.
        codings: what we have coded before, for the trend and for the order of chunks; None: only metadata counts.
    """

    request: AnalysisRequested
    limits: Limits
    codings: PastCodings | None = None

    async def run(self, steps: Steps) -> Found:
        """See `Work`.

        Raises:
            TooLargeError: it asks for a single pass, and its records do not fit; or no model takes any chunk.
        """
        request = self.request
        single = in_one_prompt(request, self.limits, steps, analyze.prompt(request, ()))
        codes = await known_codes(request.tenant_id, request.records, self.codings)
        trend = trend_of(request.records, codes, request.period)
        if not single:
            return await hierarchical.answer(request, codes, trend, self.limits, steps)
        prompt = analyze.prompt(request)
        answer = await ask_once(request, steps, prompt, analyze.parse)
        made = partial(analyze.result, request, answer.value, trend=trend, own_codings=codes.own_codings)
        return Found(made, answer.model, prompt.version)
