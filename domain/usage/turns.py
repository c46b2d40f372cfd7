"""Whose turn it is to ask the database: one tenant's questions, however many and slow, leave room for the others'."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from domain.agreement import AgreementCounts, AgreementQuestion, AgreementReader
from domain.dead_letters.counts import DeadLetterCounts, DeadLetterQuestion, DeadLetterReader
from domain.errors import TooManyQuestionsError, UsageUnavailableError
from domain.keys import NOBODY, Asker
from domain.usage.answers import UsageAnswer, UsageAnswers
from domain.usage.failures import FailureAnswers, FailureQuestion, Failures
from domain.usage.questions import UsageQuestion

OF_A_TENANT = 2
WAITING = 20
PATIENCE_SECONDS = 10.0


@dataclass(slots=True)
class _Line:
    """One tenant's questions.

    Attributes:
        turns: as many as it may have at a time.
        there: how many it has, waiting or not; a line that nobody stands in is forgotten.
    """

    turns: asyncio.Semaphore
    there: int = field(default=0)


class Turns:
    """Lets questions through: a few of a tenant at a time, and some of all; the others wait, each tenant in its line.

    Only who has a turn of their tenant's stands in the line for a turn of all, so no tenant has more than its few
    there: behind them come the other tenants, first come, first served.

    Args:
        at_once: of all tenants together; less than the connections there are, as keys are looked up, too.
        of_a_tenant: of one.
        waiting: how many of one tenant may wait for a turn.
        patience_seconds: how long each may.
    """

    def __init__(
        self,
        at_once: int,
        of_a_tenant: int = OF_A_TENANT,
        waiting: int = WAITING,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._all = asyncio.Semaphore(at_once)
        self._of_a_tenant, self._waiting, self._patience = of_a_tenant, waiting, patience_seconds
        self._lines: dict[str, _Line] = {}

    @asynccontextmanager
    async def turn(self, tenant_id: str) -> AsyncIterator[None]:
        """Wait for a turn, and have it.

        Raises:
            TooManyQuestionsError: too many of the tenant's questions wait already, or they took too long.
            UsageUnavailableError: other tenants' questions took too long.
        """
        line = self._lines.setdefault(tenant_id, _Line(asyncio.Semaphore(self._of_a_tenant)))
        if line.there >= self._of_a_tenant + self._waiting:
            raise self._too_many()
        line.there += 1
        try:
            deadline = asyncio.get_running_loop().time() + self._patience
            if not await _had(line.turns, deadline):
                raise self._too_many()
            try:
                if not await _had(self._all, deadline):
                    raise UsageUnavailableError("The database is busy with other questions.")
                try:
                    yield
                finally:
                    self._all.release()
            finally:
                line.turns.release()
        finally:
            line.there -= 1
            if not line.there:
                self._lines.pop(tenant_id, None)

    def _too_many(self) -> TooManyQuestionsError:
        return TooManyQuestionsError(
            f"This tenant has too many questions open: {self._of_a_tenant} are answered at a time. Wait for an answer "
            "before the next question, or ask for a shorter window."
        )


async def _had(turns: asyncio.Semaphore, deadline: float) -> bool:
    """Whether there was a turn before the deadline; it is had then."""
    try:
        async with asyncio.timeout_at(deadline):
            await turns.acquire()
    except TimeoutError:
        return False
    return True


class UsageAnswersInTurn:
    """Fulfils `domain.usage.answers.UsageAnswers`: each question waits for its turn."""

    def __init__(self, answers: UsageAnswers, turns: Turns) -> None:
        self._answers, self._turns = answers, turns

    async def answer(self, question: UsageQuestion, asker: Asker = NOBODY) -> UsageAnswer:
        """As the answers behind it. Raises what they raise, and what `Turns.turn` does."""
        [answer] = await self.answers([question], asker)
        return answer

    async def answers(self, questions: Sequence[UsageQuestion], asker: Asker = NOBODY) -> list[UsageAnswer]:
        """Likewise; several that belong together take one turn."""
        async with self._turns.turn(asker.tenant_id):
            return await self._answers.answers(questions, asker)


class FailureAnswersInTurn:
    """Fulfils `domain.usage.failures.FailureAnswers` likewise."""

    def __init__(self, answers: FailureAnswers, turns: Turns) -> None:
        self._answers, self._turns = answers, turns

    async def failures(self, question: FailureQuestion, asker: Asker = NOBODY) -> Failures:
        """As the answers behind it. Raises what they raise, and what `Turns.turn` does."""
        async with self._turns.turn(asker.tenant_id):
            return await self._answers.failures(question, asker)


class AgreementReaderInTurn:
    """Fulfils `domain.agreement.AgreementReader` likewise."""

    def __init__(self, reader: AgreementReader, turns: Turns) -> None:
        self._reader, self._turns = reader, turns

    async def of(self, question: AgreementQuestion, asker: Asker = NOBODY) -> AgreementCounts:
        """As the reader behind it. Raises what it raises, and what `Turns.turn` does."""
        async with self._turns.turn(asker.tenant_id):
            return await self._reader.of(question, asker)


class DeadLetterReaderInTurn:
    """Fulfils `domain.dead_letters.counts.DeadLetterReader` likewise."""

    def __init__(self, reader: DeadLetterReader, turns: Turns) -> None:
        self._reader, self._turns = reader, turns

    async def counts(self, question: DeadLetterQuestion, asker: Asker = NOBODY) -> DeadLetterCounts:
        """As the reader behind it. Raises what it raises, and what `Turns.turn` does."""
        async with self._turns.turn(asker.tenant_id):
            return await self._reader.counts(question, asker)
