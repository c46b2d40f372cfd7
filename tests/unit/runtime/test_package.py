"""What the Dockerfile installs: a package that holds more than Python files."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = ("schemas", "domain", "adapters", "streams", "consumers", "api", "runtime", "migrations")


def files_of(root: Path) -> set[str]:
    """All that lies in the packages."""
    found = {path for package in PACKAGES for path in (root / package).rglob("*") if path.is_file()}
    return {str(path.relative_to(root)) for path in found if path.suffix != ".pyc"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> set[str]:
    """The files of a wheel, built from a copy: a build leaves its own files beside the sources."""
    source = tmp_path_factory.mktemp("source")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "requirements.in"):
        shutil.copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index", "."]
    ended = subprocess.run(command, cwd=source, capture_output=True, text=True, timeout=100, check=False)
    assert ended.returncode == 0, ended.stderr
    (built,) = source.glob("*.whl")
    return {name for name in zipfile.ZipFile(built).namelist() if ".dist-info/" not in name}


def test_the_installed_package_holds_all_that_lies_in_the_packages(wheel):
    assert wheel == files_of(ROOT)


def test_that_is_more_than_python(wheel):
    for name in (
        "domain/prompts/assign_codes.v1.txt",
        "domain/prompts/versions.lock.json",
        "adapters/offline/glue_words.txt",
        "runtime/embedded/kafka_jars.txt",
        "schemas/examples/LLMCall.json",
        "migrations/script.py.mako",
        "migrations/versions/0001_llm_calls_and_api_keys.py",
    ):
        assert name in wheel
