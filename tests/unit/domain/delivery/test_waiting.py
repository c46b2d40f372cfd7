"""Waiting for a framework: bounded in time."""

import asyncio
from datetime import timedelta

import pytest

from domain.delivery.waiting import FrameworkWait
from domain.errors import UnknownFrameworkError
from tests.builders import FRAMEWORK, NOON, TENANT, a_framework
from tests.fakes import FakeCatalogue, until
from tests.unit.domain.delivery.setup import turns


def a_wait(catalogue, *, wait_seconds=60.0, grace_seconds=2.0):
    return FrameworkWait(
        catalogue,
        wait_seconds=wait_seconds,
        grace_seconds=grace_seconds,
        now=lambda: NOON,
    )


@pytest.mark.parametrize(("age", "patience"), [(None, 60), (0, 60), (-30, 60), (20, 40), (59, 2), (60, 2), (10_000, 2)])
def test_patience_counts_from_the_brokers_timestamp_but_never_less_than_the_grace(age, patience):
    since = None if age is None else NOON - timedelta(seconds=age)
    assert a_wait(FakeCatalogue()).patience(since) == patience


async def test_it_ends_when_the_framework_arrives_and_not_with_any_other():
    catalogue = FakeCatalogue()
    wait = a_wait(catalogue)
    task = asyncio.create_task(wait.framework(TENANT, FRAMEWORK, None))
    await until(lambda: catalogue.waiting == 1)
    catalogue.publish(a_framework(tenant_id="other"))
    await turns()
    assert not task.done()

    catalogue.publish(a_framework())
    assert (await task).version == "1"
    assert catalogue.waiting == 0


async def test_it_ends_when_time_is_over():
    catalogue = FakeCatalogue()
    wait = a_wait(catalogue, wait_seconds=0.01, grace_seconds=0.01)
    with pytest.raises(UnknownFrameworkError, match=f"`{FRAMEWORK}`, did not arrive"):
        await wait.framework(TENANT, FRAMEWORK, None)
    assert catalogue.waiting == 0


async def test_the_framework_is_named_in_one_line_of_bounded_length():
    wait = a_wait(FakeCatalogue(), wait_seconds=0.0, grace_seconds=0.0)
    with pytest.raises(UnknownFrameworkError) as caught:
        await wait.framework(TENANT, "a\n\x1b\u202e" + "b" * 251, None)
    assert "`a???bbb" in caught.value.message
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 150


async def test_however_many_wait_none_is_given_up_before_its_time():
    catalogue = FakeCatalogue()
    wait = a_wait(catalogue)
    tasks = [asyncio.create_task(wait.framework(TENANT, FRAMEWORK, None)) for _ in range(2000)]
    await until(lambda: catalogue.waiting == 2000)
    catalogue.publish(a_framework())
    assert {framework.version for framework in await asyncio.gather(*tasks)} == {"1"}


async def test_a_framework_that_comes_at_the_last_moment_counts():
    catalogue = FakeCatalogue()
    wait = a_wait(catalogue)
    oldest = asyncio.create_task(wait.framework(TENANT, FRAMEWORK, None))
    await until(lambda: catalogue.waiting == 1)
    task = asyncio.create_task(wait.framework(TENANT, FRAMEWORK, None))
    await asyncio.sleep(0)
    catalogue.publish(a_framework())
    assert [f.version for f in await asyncio.gather(oldest, task)] == ["1", "1"]


async def test_cancelling_leaves_nothing_behind():
    catalogue = FakeCatalogue()
    wait = a_wait(catalogue)
    task = asyncio.create_task(wait.framework(TENANT, FRAMEWORK, None))
    await until(lambda: catalogue.waiting == 1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    assert catalogue.waiting == 0
