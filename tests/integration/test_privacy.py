"""Personal data, through the real worker on a real broker: the provider never sees it, results have it back."""

import json
from typing import Any

import pytest

import tests.llm_server
from schemas.topics import REQUESTS
from tests.builders import TENANT
from tests.integration.crm_support import a_crm
from tests.integration.system_support import empty_topics
from tests.llm_answers import Question, answer, records

CANARIES = {
    "en": ("amina.okafor@relief-aid.org", "+256-772-123456", "GB82WEST12345698765432", "4111111111111111"),
    "fr": ("fatou@exemple.fr", "+243812345678", "FR1420041010050500013M02606", "5555-5555-5555-4444"),
    "es": ("jose@ejemplo.com.mx", "+57-312-345-6789", "ES9121000418450200051332", "378282246310005"),
    "ar": ("أمينة@موقع.مصر", "٠٩٣٣١٢٣٤٥٦", "SA0380000000608010167519", "٤١١١١١١١١١١١١١١١"),
    "uk": ("олена@пошта.укр", "(067)123-45-67", "UA213223130000026007233566001", "6011-1111-1111-1117"),
}
ANYWHERE = ("https://forms.example.org/r/7?id=42", "203.0.113.77")
WORDS = {
    "en": "Water is missing, write to us",
    "fr": "L'eau manque ici, écrivez-nous",
    "es": "Falta el agua, escríbanos",
    "ar": "الماء غير متوفر اكتبوا لنا",
    "uk": "Немає води, напишіть нам",
}


@pytest.fixture(scope="module")
async def crm(system_broker):
    await empty_topics(system_broker)
    async with a_crm(system_broker, "privacy", privacy_ner="off") as crm:
        yield crm


def canaries(language: str) -> tuple[str, ...]:
    return (*CANARIES[language], *ANYWHERE)


def content(language: str) -> str:
    """A record of at most twelve words, which is what the provider's summary repeats."""
    return f"{' '.join(canaries(language))} {WORDS[language]}"


def seen(crm: Any) -> str:
    """All that the provider was sent."""
    return "\n".join(json.dumps(request.body, ensure_ascii=False) for request in crm.provider.requests)


async def test_the_provider_sees_none_of_it_and_the_results_have_it_back(crm):
    ids = {
        language: await crm.send(
            {
                "tenant_id": TENANT,
                "record_id": f"r-{language}",
                "content": content(language),
                "operations": ["summarize"],
            }
        )
        for language in CANARIES
    }
    for language, event_id in ids.items():
        found = await crm.result(event_id, "summarize")
        assert found["bullets"] == [" ".join(content(language).split()[:12])]
        assert found["privacy"]["replaced"] == dict.fromkeys(("CARD", "EMAIL", "IBAN", "IP", "PHONE", "URL"), 1)
        assert found["privacy"]["languages"] == [language]
        assert "phone" in found["privacy"]["recognisers"]
    sent = seen(crm)
    assert min(sent.count("[EMAIL_1]"), sent.count("[CARD_1]")) >= len(CANARIES)
    assert [canary for language in CANARIES for canary in canaries(language) if canary in sent] == []
    assert WORDS["uk"] in sent


async def test_an_analysis_gets_numbers_back_and_names_never(crm, monkeypatch):
    def echo(question: Question, user: str) -> str:
        told = json.dumps({"answer": records(user)[1], "confidence": 0.5})
        return told if question.task == "analyze" else answer(question, user)

    monkeypatch.setattr(tests.llm_server, "answer", echo)
    texts = ["My name is Grace Okafor.", "My name is Amina Diallo, call +256772000111. I know Mrs Grace Okafor."]
    asked = {
        "tenant_id": TENANT,
        "request_id": "q-1",
        "instruction": "Who speaks?",
        "records": [{"record_id": f"r-{number}", "content": text} for number, text in enumerate(texts)],
    }
    event_id = await crm.send(asked, key=b"q-1", topic=REQUESTS.name)
    found = await crm.result(event_id, "analyze")
    assert found["answer"] == "My name is [PERSON_2], call +256772000111. I know Mrs [PERSON_1]."
    assert found["privacy"]["replaced"] == {"PERSON": 3, "PHONE": 1}
    assert not [name for name in ("Okafor", "Amina", "772000111") if name in seen(crm)]
