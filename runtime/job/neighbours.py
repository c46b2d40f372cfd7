"""Whether a job on a given Kafka starts workers of its own, or lets those answer that are at work there."""

from rich.console import Console

from adapters.kafka.groups import members_of
from domain.errors import UserError
from runtime import wiring
from runtime.job.task import Task
from runtime.settings import Settings


async def workers_beside_others(settings: Settings, task: Task, console: Console) -> int:
    """How many workers to start on a Kafka that is given: none where workers of the group are there already.

    A group of the job's own would answer all that ever stood on the topics. And workers of the job beside those of a
    running system would answer each other's records, each with its own model.

    Raises:
        UserError: a model is asked for, but others will answer; or Kafka does not answer.
    """
    there = await members_of(wiring.kafka_connection(settings), settings.worker_group)
    if there == 0:
        return task.workers
    if task.model is not None:
        raise UserError(
            f"Workers of the group {settings.worker_group} are at work on that Kafka, with a model of their own: "
            "--model would not count.",
            "Leave --model out to let them answer, or unset KAFKA_BOOTSTRAP_SERVERS to run on embedded servers.",
        )
    console.print(
        f"Workers of the group {settings.worker_group} are at work on that Kafka ({there}); they answer this job's "
        "records; no worker is started.",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    return 0
