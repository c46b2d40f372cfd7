"""Kafka's libraries: what is pinned, what the cache is worth, and what a repository can do wrong."""

import hashlib
import json
import re
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from runtime.embedded import jars
from runtime.embedded.errors import (
    DirectoryNotWritableError,
    JarCorruptError,
    JarsUnavailableError,
    KafkaHomeError,
    PackageMissingError,
)

JARS = {"org.example:one:1.0": b"first", "org.example:two:2.0": b"second"}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture
def pins(monkeypatch, tmp_path):
    lines = ["# comment", *(f"{hashlib.sha256(content).hexdigest()} {name}" for name, content in JARS.items())]
    file = tmp_path / "pins.txt"
    file.write_text("\n".join(lines))
    monkeypatch.setattr(jars, "PINS", file)


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A Maven repository on 127.0.0.1: (address, directory)."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    root = tmp_path / "repository"
    for coordinate, content in JARS.items():
        group, artifact, version = coordinate.split(":")
        file = root / group.replace(".", "/") / artifact / version / f"{artifact}-{version}.jar"
        file.parent.mkdir(parents=True)
        file.write_bytes(content)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", root
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_real_pins_are_hashes_of_versions_and_name_what_we_ask_for():
    pins = jars.parse_pins(jars.PINS.read_text())
    assert all(re.fullmatch(r"[0-9a-f]{64}", pin.sha256) for pin in pins)
    assert len({pin.coordinate for pin in pins}) == len(pins)
    assert set(jars.COORDINATES) <= {pin.coordinate for pin in pins}


async def test_fetched_once_then_found_without_a_repository(pins, repository, tmp_path):
    address, _ = repository
    first = await jars.from_cache_or_repository(tmp_path / "cache", address)
    assert sorted(jar.name for jar in first) == ["one-1.0.jar", "two-2.0.jar"]
    assert [jar.read_bytes() for jar in sorted(first)] == [b"first", b"second"]
    again = await jars.from_cache_or_repository(tmp_path / "cache", "http://127.0.0.1:1")
    assert again == first
    assert [entry.name for entry in (tmp_path / "cache").iterdir()] == [first[0].parent.name]  # nothing left behind


@pytest.mark.parametrize("damage", ["missing", "truncated", "manifest"])
async def test_a_damaged_cache_is_fetched_anew(pins, repository, tmp_path, damage):
    address, _ = repository
    first = await jars.from_cache_or_repository(tmp_path / "cache", address)
    if damage == "missing":
        first[0].unlink()
    elif damage == "truncated":
        first[0].write_bytes(b"")
    else:
        (first[0].parent / jars.MANIFEST).write_text("{")
    again = await jars.from_cache_or_repository(tmp_path / "cache", address)
    assert [jar.read_bytes() for jar in sorted(again)] == [b"first", b"second"]
    assert json.loads((again[0].parent / jars.MANIFEST).read_text()) == {"one-1.0.jar": 5, "two-2.0.jar": 6}


async def test_without_a_network_the_remedies_are_told(pins, monkeypatch, tmp_path):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(JarsUnavailableError, match=r"could not be fetched from http://127\.0\.0\.1:1") as caught:
        await jars.from_cache_or_repository(tmp_path / "cache", "http://127.0.0.1:1")
    for remedy in ("FEEDBACK_MAVEN_REPOSITORY", "KAFKA_HOME", "KAFKA_BOOTSTRAP_SERVERS", "proxy"):
        assert remedy in caught.value.remedy
    assert list((tmp_path / "cache").iterdir()) == []


async def test_a_repository_without_the_file_is_told(pins, repository, tmp_path):
    address, root = repository
    next(root.rglob("two-2.0.jar")).unlink()
    with pytest.raises(JarsUnavailableError, match="a file is not there"):
        await jars.from_cache_or_repository(tmp_path / "cache", address)


async def test_another_content_is_refused(pins, repository, tmp_path):
    address, root = repository
    next(root.rglob("two-2.0.jar")).write_bytes(b"SECOND")
    with pytest.raises(JarCorruptError, match=r"two-2\.0\.jar"):
        await jars.from_cache_or_repository(tmp_path / "cache", address)
    assert list((tmp_path / "cache").iterdir()) == []


async def test_a_cache_that_cannot_be_made_is_told(pins, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DirectoryNotWritableError) as caught:
        await jars.from_cache_or_repository(tmp_path / "file" / "cache", None)
    assert "FEEDBACK_CACHE_DIR" in caught.value.remedy


async def test_a_missing_jgo_is_told(pins, monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "jgo.maven", None)
    with pytest.raises(PackageMissingError, match="jgo"):
        await jars.from_cache_or_repository(tmp_path / "cache", None)


def test_a_distribution_is_used_as_it_is(tmp_path):
    (tmp_path / "libs").mkdir()
    for name in ("kafka_2.13-4.3.0.jar", "scala-library.jar", "readme.txt"):
        (tmp_path / "libs" / name).write_text("")
    assert [jar.name for jar in jars.from_distribution(tmp_path)] == ["kafka_2.13-4.3.0.jar", "scala-library.jar"]


def test_a_directory_without_kafka_is_no_distribution(tmp_path):
    with pytest.raises(KafkaHomeError, match="no Kafka libraries"):
        jars.from_distribution(tmp_path)
