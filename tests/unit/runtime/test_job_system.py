"""The system that a job runs on: alone on its own servers, a guest on those of others."""

import io
import stat
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from domain.errors import UserError
from runtime.embedded.errors import DirectoryNotWritableError
from runtime.job import neighbours, temporary_system
from runtime.job.task import Task
from runtime.settings import Settings, load_settings
from runtime.system import system
from runtime.system.system import Shape


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def started(monkeypatch) -> list[tuple[Settings, Shape, int]]:
    """With what each system was started: its settings, its shape, the permissions of its directory."""
    seen: list[tuple[Settings, Shape, int]] = []

    @asynccontextmanager
    async def running_system(settings: Settings, shape: Shape, *_: Any):
        seen.append((settings, shape, permissions(shape.directory)))
        yield None

    monkeypatch.setattr(temporary_system, "running_system", running_system)
    return seen


async def begun(settings: Settings, model: str | None = None) -> str:
    """Begin and end a job; what was said to the person."""
    said = io.StringIO()
    task = Task(Path("records.jsonl"), (), None, "t", workers=1, model=model)
    async with temporary_system.temporary_system(settings, task, Console(file=said, width=40)):
        pass
    return said.getvalue()


@pytest.fixture
def there(monkeypatch):
    """How many workers the group has on the given Kafka."""

    def say(number: int) -> None:
        async def members_of(connection: Any, group: str) -> int:
            assert group == "ours"
            return number

        monkeypatch.setattr(neighbours, "members_of", members_of)

    return say


async def test_on_a_kafka_without_workers_it_starts_its_own_which_halt_as_all_do(started, there):
    there(0)
    said = await begun(load_settings(kafka_bootstrap_servers="127.0.0.1:9", worker_group="ours", dead_letter_share=0.3))
    [(settings, shape, _)] = started
    assert (settings.dead_letter_share, shape.workers, shape.lasting) == (0.3, 1, False)
    assert said == ""


async def test_where_workers_of_the_group_are_at_work_they_answer(started, there):
    there(2)
    said = await begun(load_settings(kafka_bootstrap_servers="127.0.0.1:9", worker_group="ours"))
    [(_, shape, _)] = started
    assert shape.workers == 0
    (line,) = said.splitlines()
    assert "the group ours" in line
    assert line.endswith("no worker is started.")


@pytest.mark.parametrize("url", ["garbage", "mysql://u@127.0.0.1/d", "postgresql://u@127.0.0.1:1/d"])
async def test_a_database_that_cannot_be_used_is_told_before_anything_is_started(started, url):
    with pytest.raises(UserError) as caught:
        await begun(load_settings(database_url=url))
    assert "DATABASE_URL" in caught.value.remedy
    assert started == []


@pytest.mark.parametrize(
    ("workers", "api", "roller", "said"),
    [
        (1, True, False, "worker, consumer and API"),
        (1, True, True, "worker, consumer, roller and API"),
        (3, False, False, "3 workers and consumer"),
        (0, True, False, "consumer and API"),
        (0, False, False, "consumer"),
    ],
)
def test_what_is_said_to_be_started_is_what_is_started(tmp_path, workers, api, roller, said):
    assert system._processes_of(Shape(tmp_path, workers, api, roller=roller)) == said


def test_a_watch_on_budgets_is_started_where_asked_for_and_serves_metrics_too(tmp_path):
    shape = Shape(tmp_path, judge=True, budgets=True)
    assert system._processes_of(shape) == "worker, consumer, judge, budgets and API"
    ports = system._metrics_ports(load_settings(metrics_port=9100), shape)
    assert ports == {"consumer": 9100, "worker": 9101, "judge": 9102, "budgets": 9103}


async def test_a_model_that_others_would_not_use_is_refused(started, there):
    there(1)
    with pytest.raises(UserError, match="--model would not count"):
        await begun(load_settings(kafka_bootstrap_servers="127.0.0.1:9", worker_group="ours"), model="openai/x")
    assert started == []


@pytest.mark.parametrize("kafka", [None, "127.0.0.1:9"])
async def test_a_model_that_cannot_be_used_is_told_before_anything_is_started(started, there, kafka):
    there(0)
    settings = load_settings(llm_model="nobody/knows-this", kafka_bootstrap_servers=kafka, worker_group="ours")
    with pytest.raises(UserError, match="nobody/knows-this") as caught:
        await begun(settings)
    assert "--model" in caught.value.remedy
    assert started == []


@pytest.mark.parametrize("name", ["llm_fallback_model", "llm_models"])
async def test_so_is_every_other_model_that_is_set(started, name):
    value = "summarize=offline/x" if name == "llm_models" else "offline/x"
    with pytest.raises(UserError, match=rf"There is no model offline/x \(.*{name.upper()}\)"):
        await begun(load_settings(**{name: value}))
    assert started == []


async def test_a_model_that_takes_seconds_to_look_up_is_said(started):
    said = await begun(load_settings(llm_model="openai/gpt-4o-mini", llm_api_key="k"))
    assert said == "Checking the model openai/gpt-4o-mini ...\n"
    assert len(started) == 1


async def test_where_others_answer_it_is_their_model_that_counts(started, there):
    there(1)
    await begun(load_settings(llm_model="nobody/x", kafka_bootstrap_servers="127.0.0.1:9", worker_group="ours"))
    assert len(started) == 1


async def test_on_its_own_kafka_it_answers_or_dead_letters_every_record(started):
    assert await begun(load_settings(dead_letter_share=0.3)) == ""
    [(settings, shape, _)] = started
    assert (settings.dead_letter_share, shape.lasting) == (1.0, True)


def permissions(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_nobody_else_can_enter_where_its_data_lies(started, tmp_path):
    await begun(load_settings())
    assert permissions(tmp_path / ".feedback") == 0o700
    assert [mode for *_, mode in started] == [0o700]


async def test_a_directory_that_a_person_made_stays_as_it_is(started, tmp_path):
    tmp_path.chmod(0o755)
    await begun(load_settings(feedback_home=tmp_path))
    assert permissions(tmp_path) == 0o755
    assert [mode for *_, mode in started] == [0o700]


async def test_a_home_that_cannot_be_made_is_told_in_a_sentence(started, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DirectoryNotWritableError, match="cannot be used"):
        await begun(load_settings(feedback_home=tmp_path / "file" / "home"))
    assert started == []


class Keys:
    """The key store: which keys open; revoking fails with `error`, where there is one."""

    def __init__(self, error: Exception | None = None) -> None:
        self.valid: set[str] = set()
        self.error = error

    async def create(self, tenant: str, *, superuser: bool, label: str) -> Any:
        from domain.keys import new_key

        key = new_key()
        self.valid.add(key.prefix)
        return key

    async def revoke(self, prefix: str) -> bool:
        if self.error is not None:
            raise self.error
        self.valid.remove(prefix)
        return True


@pytest.mark.parametrize("error", [None, UserError("The database is away.", ""), TimeoutError()])
async def test_the_superusers_key_of_a_system_goes_with_it(monkeypatch, error):
    """As far as can be: a database that is gone takes it along, or keeps it, and a line says which key it was."""
    keys = Keys(error)

    @asynccontextmanager
    async def key_store(_: Settings):
        yield keys

    monkeypatch.setattr(system.wiring, "key_store", key_store)
    async with system._own_key(load_settings()):
        assert len(keys.valid) == 1
    assert len(keys.valid) == (0 if error is None else 1)
