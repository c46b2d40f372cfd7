"""The life of a worker inside our own event loop: start, run, stop in order.

Faust's command line and its `Worker` own the process, its signals and its logging; here they are the caller's.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

from aiokafka.errors import KafkaError

from domain.delivery.faults import as_ours
from domain.errors import BrokerUnavailableError, FeedbackError
from domain.ports import TopicIds
from streams import records, requests, results
from streams.app import WorkerApp, create_app
from streams.handler import Handler
from streams.settings import WorkerSettings
from streams.status import WorkerStatus

log = logging.getLogger(__name__)

# With the drain and the closing of the publisher, within the 30 s that most orchestrators give.
COMMIT_SECONDS = 2.0
CLOSE_SECONDS = 3.0
REPORT_SECONDS = 60.0


async def run_worker(
    settings: WorkerSettings,
    handler: Handler,
    stop: asyncio.Event,
    ready: Callable[[], None] | None = None,
    status: WorkerStatus | None = None,
    topic_ids: TopicIds | None = None,
) -> None:
    """Answer inputs until `stop` is set, then drain and return.

    Args:
        settings: this worker's.
        handler: answers one input.
        stop: set it to stop; the worker drains within `drain_seconds` and a few seconds for Kafka.
        ready: called once, when partitions were assigned for the first time.
        status: filled with live figures.
        topic_ids: without it, a topic that is deleted and made anew while this worker runs is not noticed.

    Raises:
        BrokerUnavailableError: Kafka cannot be reached, or refuses this worker.
        BugError: a fault of this program.
        FeedbackError: what else the handler raised. Nothing that was not finished is committed, whatever it was.
    """
    app = create_app(settings, handler, status or WorkerStatus(), topic_ids)
    records.add_to(app, settings.records_topic)
    requests.add_to(app, settings.requests_topic)
    await _run(app, settings, stop, ready)


async def run_judge(
    settings: WorkerSettings,
    handler: Handler,
    stop: asyncio.Event,
    status: WorkerStatus,
    topic_ids: TopicIds | None = None,
) -> None:
    """The same over the topics of results: hand each result to the handler. Arguments and errors as of `run_worker`."""
    app = create_app(settings, handler, status, topic_ids)
    for topic in settings.result_topics:
        results.add_to(app, topic)
    await _run(app, settings, stop, None)


async def _run(app: WorkerApp, settings: WorkerSettings, stop: asyncio.Event, ready: Callable[[], None] | None) -> None:
    starting = asyncio.create_task(app.start())
    reporting = asyncio.create_task(_report(app.status))
    try:
        error = await _until_over(app, starting, stop, ready)
        app.engine.stop_pulling()
        await app.engine.settle(0 if error else settings.drain_seconds)
    except BaseException:
        # Cancelled, as something else has failed: what is in flight ends while its last events can still be sent.
        app.engine.stop_pulling()
        await app.engine.settle(0)
        raise
    finally:
        reporting.cancel()
        await _commit(app)
        await _close(app, starting)
    if error is not None:
        raise error


async def _until_over(
    app: WorkerApp, starting: asyncio.Task[None], stop: asyncio.Event, ready: Callable[[], None] | None
) -> FeedbackError | None:
    """Wait until the worker must stop; return the error that it must stop for, if there is one."""
    stopped = asyncio.create_task(stop.wait())
    crashed = asyncio.create_task(app._crashed.wait())
    over: set[asyncio.Future[Any]] = {stopped, crashed, app.engine.failed}
    try:
        await asyncio.wait({starting, *over}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done() and starting.exception() is None and not any(task.done() for task in over):
            if ready is not None:
                ready()
            await asyncio.wait(over, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
        crashed.cancel()
    if app.engine.failed.done():
        return app.engine.failed.result()
    if starting.done() and (error := starting.exception()) is not None:
        return _named(error)
    if app._crashed.is_set():
        return _named(app.crash_reason or RuntimeError("the Faust app crashed"))
    return None


def _named(error: BaseException) -> FeedbackError:
    """Kafka's and Faust's errors as ours."""
    if not isinstance(error, KafkaError):
        return as_ours(error, "the stream worker")
    named = BrokerUnavailableError(f"Kafka cannot be used by this worker: {type(error).__name__}.")
    named.__cause__ = error
    return named


async def _commit(app: WorkerApp) -> None:
    """The last commit; what it cannot bring to Kafka in time is delivered again."""
    if app.status.assigned:
        try:
            async with asyncio.timeout(COMMIT_SECONDS):
                await app.consumer.commit()
        except (KafkaError, TimeoutError) as error:  # no reason to hide what the worker stops for
            kind = type(error).__name__
            log.warning("Kafka did not take the last commit (%s): what finished since the one before comes again", kind)


async def _report(status: WorkerStatus) -> None:
    while True:
        await asyncio.sleep(REPORT_SECONDS)
        log.info("%s", status)


async def _close(app: WorkerApp, starting: asyncio.Task[None]) -> None:
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await app.stop()
    except TimeoutError:
        log.warning("the Kafka client did not close in time")
    starting.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await starting
