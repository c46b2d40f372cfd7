"""Remembered ports, and one user per directory."""

import asyncio
import os
import socket
import sys

import pytest

from runtime.embedded import ports
from runtime.embedded.errors import DirectoryInUseError, NoFreePortError
from runtime.embedded.lock import DirectoryLock


def test_ports_are_free_distinct_and_the_same_the_next_time(tmp_path):
    file = tmp_path / "ports.json"
    first = ports.remembered(file, ["broker", "controller"])
    assert len(set(first.values())) == 2
    assert all(ports.is_free(port) for port in first.values())
    assert ports.remembered(file, ["broker", "controller"]) == first


def test_a_taken_port_is_replaced_and_the_new_one_remembered(tmp_path):
    file = tmp_path / "ports.json"
    first = ports.remembered(file, ["broker", "controller"])
    with socket.socket() as other:
        other.bind((ports.HOST, first["broker"]))
        other.listen()
        second = ports.remembered(file, ["broker", "controller"])
        assert second["broker"] != first["broker"]
        assert second["controller"] == first["controller"]
    assert ports.remembered(file, ["broker", "controller"]) == second


@pytest.mark.parametrize("content", ["", "[]", '{"broker": "x"}', "{"])
def test_a_damaged_memory_is_forgotten(tmp_path, content):
    file = tmp_path / "ports.json"
    file.write_text(content)
    assert ports.is_free(ports.remembered(file, ["broker"])["broker"])


def test_no_free_port_is_an_error(monkeypatch):
    monkeypatch.setattr(ports, "is_free", lambda port: False)
    with pytest.raises(NoFreePortError, match="No free port was found"):
        ports.choose(set())


async def test_a_living_owner_is_named_at_once(tmp_path):
    first, second = DirectoryLock(tmp_path), DirectoryLock(tmp_path)
    await first.acquire()
    with pytest.raises(DirectoryInUseError, match=f"in use by process {os.getpid()}"):
        await second.acquire()
    first.release()
    await second.acquire()
    second.release()
    second.release()


async def test_a_dead_owners_servers_get_time_to_end(tmp_path):
    # The child that wrote its number into the lock is dead; a grandchild holds the lock a little longer.
    script = (
        "import fcntl, os, subprocess, sys\n"
        "file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)\n"
        "fcntl.flock(file, fcntl.LOCK_EX)\n"
        "os.write(file, str(os.getpid()).encode())\n"
        "subprocess.Popen(['sleep', '0.5'], pass_fds=[file])\n"
    )
    owner = await asyncio.create_subprocess_exec(sys.executable, "-c", script, str(tmp_path / "lock"))
    assert await owner.wait() == 0
    with pytest.raises(DirectoryInUseError):
        await DirectoryLock(tmp_path).acquire(patience=0.05)
    lock = DirectoryLock(tmp_path)
    await lock.acquire()
    assert (tmp_path / "lock").read_text() == str(os.getpid())
    lock.release()
