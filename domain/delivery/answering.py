"""From one operation on one input to its published result."""

from collections.abc import Callable, Collection
from uuid import uuid4

from domain.delivery import results
from domain.delivery.job import Job
from domain.delivery.steps import Asking, InvocationSteps
from domain.delivery.tasks import acknowledged
from domain.llm.calls import Invocation
from domain.operations.answers import Made
from domain.operations.work import Work
from domain.ports import EventPublisher
from domain.privacy.kinds import Kind
from schemas.operations import Operation

_NEVER_RESTORED: dict[Operation, Collection[Kind]] = {
    Operation.ANALYZE: (Kind.PERSON,),
    Operation.SUMMARIZE_AGGREGATE: (Kind.PERSON,),
}
"""What is said over many people names none of them."""


class Answering:
    """Does what is asked of an input, and publishes what comes of it."""

    def __init__(
        self, asking: Asking, publisher: EventPublisher, deadline_seconds: Callable[[Operation], float]
    ) -> None:
        self._asking = asking
        self._publisher = publisher
        self._deadline_seconds = deadline_seconds

    async def answer(self, job: Job, operation: Operation, work: Work) -> None:
        """Work, and publish the result: after the events of its LLM calls, so that who sees it finds them.

        Raises:
            InputError, LLMError, InvalidOutputError: there is no result; the input is a dead letter.
            BrokerUnavailableError: it was not acknowledged.
        """
        invocation = self._invocation(job, operation)
        steps = InvocationSteps(self._asking, invocation, job.identity.trace_id)
        try:
            found = await work.run(steps)
        finally:
            job.attempts[operation] = job.attempts.get(operation, 0) + steps.attempts
            job.receipts += steps.receipts
        made = Made(
            result_id=results.result_id(job.answers, operation.value),
            invocation_id=found.invocation_id or invocation.invocation_id,
            model=found.model,
            prompt_version=found.prompt_version,
            completed_at=self._asking.clock.now(),
            inputs=job.sources,
            privacy=job.hidden.told(),
            restore=job.hidden.restoring(_NEVER_RESTORED.get(operation, ())),
        )
        message = results.outbound(found.result(made), job.identity.trace_id)
        await acknowledged(steps.receipts)
        await self._publisher.publish(message)

    def _invocation(self, job: Job, operation: Operation) -> Invocation:
        return Invocation(
            invocation_id=uuid4(),
            tenant_id=job.event.tenant_id if job.event else "",
            operation=operation.value,
            started_at=self._asking.clock.now(),
            deadline_seconds=self._deadline_seconds(operation),
            record_id=getattr(job.event, "record_id", None),
            request_id=getattr(job.event, "request_id", None),
            trace_id=job.identity.trace_id,
        )
