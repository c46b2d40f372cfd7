"""Price files as they are read: TOML and JSON say the same, to the last place."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from domain.errors import UserError
from runtime.price_file import load_prices
from runtime.settings import load_settings
from runtime.wiring import llm_settings

SAMPLE = Path(__file__).parents[3] / "samples" / "prices.toml"
NOW = datetime(2026, 11, 20, tzinfo=UTC)


def test_toml_and_json_are_the_same_prices(tmp_path: Path):
    toml, json = tmp_path / "p.toml", tmp_path / "p.json"
    toml.write_text('[[prices]]\nmodel = "m"\nvalid_from = 2026-01-01\ninput = 0.000000123457\noutput = 1e-7\n')
    json.write_text('{"prices":[{"model":"m","valid_from":"2026-01-01","input":0.000000123457,"output":1e-7}]}')
    found = [load_prices(file).at(NOW, "p", "m", "p/m") for file in (toml, json)]
    assert found[0] == found[1]
    assert found[0] is not None
    assert found[0].input == Decimal("0.000000123457")


def test_the_sample_can_be_used_and_tells_the_price_of_then():
    prices = load_prices(SAMPLE)
    then = prices.at(datetime(2024, 6, 1, tzinfo=UTC), "openai", "gpt-4o", "openai/gpt-4o")
    now = prices.at(NOW, "openai", "gpt-4o-2024-08-06", "openai/gpt-4o")
    assert then is not None
    assert now is not None
    assert (then.input, now.input) == (Decimal("0.000005"), Decimal("0.0000025"))


def test_every_model_is_given_the_file_of_the_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    given = llm_settings(load_settings(prices_file=SAMPLE)).prices
    assert given is not None
    assert given.at(NOW, "openai", "gpt-4o", "openai/gpt-4o") is not None
    with pytest.raises(UserError, match="cannot be read"):
        llm_settings(load_settings(prices_file=tmp_path / "none.toml"))


@pytest.mark.parametrize(
    ("name", "written"), [("p.toml", '[[prices]]\nmodel = "m\n'), ("p.json", '{"prices": [\n  {"model": "m",}]}')]
)
def test_what_cannot_be_read_is_told_with_its_place(tmp_path: Path, name, written):
    file = tmp_path / name
    file.write_text(written)
    with pytest.raises(UserError, match=r"is no (TOML|JSON): .*line 2,? column \d+"):
        load_prices(file)
