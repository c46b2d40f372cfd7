"""Keys of the read API, as values."""

from datetime import UTC, datetime

import pytest

from domain.keys import StoredKey, digest, new_key, opens, prefix_of


def test_a_new_key_has_the_documented_form_and_tells_nothing_by_accident():
    key = new_key()

    mark, prefix, secret = key.text.split("_", 2)
    assert (mark, prefix, len(prefix), len(secret)) == ("fbk", key.prefix, 12, 43)
    assert key.sha256 == digest(key.text)
    assert secret not in repr(key)
    assert prefix_of(key.text) == key.prefix


def test_no_two_keys_are_alike():
    keys = [new_key() for _ in range(1000)]

    assert len({key.prefix for key in keys}) == len({key.text.split("_", 2)[2] for key in keys}) == 1000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "fbk",
        "fbk__",
        "fbk_abcdefghijkl_",
        "FBK_abcdefghijkl_" + "a" * 43,
        "fbk_ABCDEFGHIJKL_" + "a" * 43,
        "fbk_abcdefghijkl_" + "a" * 42,
        "fbk_abcdefghijkl_" + "a" * 44,
        "fbk_abcdefghijkl_" + "é" * 43,
        " fbk_abcdefghijkl_" + "a" * 43,
        "fbk_abcdefghijkl_" + "a" * 43 + "\n",
    ],
)
def test_what_has_not_the_form_of_a_key_has_no_prefix(text):
    assert prefix_of(text) is None


def test_only_the_whole_key_opens():
    key = new_key()
    stored = StoredKey(key.prefix, key.sha256, "red-cross", False, None, datetime.now(UTC))

    assert opens(stored, key.text)
    assert not opens(stored, key.text[:-1] + ("a" if key.text[-1] != "a" else "b"))
    assert not opens(stored, "")
