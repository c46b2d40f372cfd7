"""What the README lists is what the code has."""

from pathlib import Path

from domain.delivery.reasons import REASONS

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_the_readme_lists_every_reason_of_a_dead_letter():
    listed = {line.split("`")[1]: line.split("|")[2].strip() for line in README.splitlines() if line.startswith("| `")}
    assert {reason: listed.get(reason) for reason in REASONS} == REASONS
