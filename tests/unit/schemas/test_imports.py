"""What the two inner layers may import, as a list of what is allowed: a list of what is not would never be complete."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ALLOWED = {
    "schemas": {"schemas", "pydantic"},
    "domain": {"domain", "schemas", "pydantic", "pydantic_core"},
}


def imported(package: str) -> Iterator[tuple[str, str]]:
    for file in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((file.name, name.name.partition(".")[0]) for name in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield file.name, (node.module or "").partition(".")[0]


@pytest.mark.parametrize("package", ALLOWED)
def test_inner_layers_import_nothing_but_the_standard_library_and_pydantic(package: str):
    found = set(imported(package))
    assert found
    assert {(file, name) for file, name in found if name not in ALLOWED[package] | sys.stdlib_module_names} == set()
