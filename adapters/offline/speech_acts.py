"""What a statement does: ask, request, state or praise. Many frameworks sort by it before they sort by topic.

The words are the everyday verbs by which people ask, demand, tell and thank, and by which clerks report that
somebody did, in English, French, Spanish, Arabic and Ukrainian.
"""

import re
from enum import IntEnum

import numpy as np
import numpy.typing as npt


class Act(IntEnum):
    """The four acts, as the columns of a vector."""

    QUESTION = 0
    REQUEST = 1
    STATEMENT = 2
    PRAISE = 3


_WORDS: dict[Act, tuple[str, ...]] = {
    Act.QUESTION: (
        r"ask\w*|question\w*|enquir\w*|inquir\w*|wonder\w*|want\w* to know|seek\w* (?:clarif|info|explan)\w*",
        r"demand\w* (?:si|quand|où|comment|pourquoi|combien|qui|quel\w*|ce que)|interrog\w*|(?:veu|voudrai)\w* savoir"
        r"|est-ce qu\w*",
        r"pregunt\w*|consult\w*|qui(?:er|si)\w* saber",
        r"(?:و?[يتن]?سأل\w*|[يتن]ستفسر\w*|هل|متى|أين|كيف|لماذا|ال?سؤال|أسئلة)",
        r"(?:за)?пит(?:ає|ала|ав|ують|али|ання)|цікав\w*|хоч\w* знати|чи|коли|чому|скільки",
    ),
    Act.REQUEST: (
        r"request\w*|suggest\w*|recommend\w*|urg(?:es?|ed|ing)|ask\w* (?:for|that|to)|call\w* for|propos\w*|demand\w*"
        r"|appeal\w*|plead\w*|advocat\w*|please",
        r"demand\w* (?:de|d'|que|à|un|une|des|plus|la|le|l')\w*|réclam\w*|sollicit\w*|suggèr\w*|suggér\w*|recommand\w*"
        r"|souhait\w*|exig\w*|s'il vous plaît",
        r"pid\w+|pedi\w+|solicit\w*|sugier\w*|suger\w*|recomiend\w*|propon\w*|por favor|ruega\w*",
        r"(?:و?[يتنأ]?طلب\w*|[نأي]رجو\w*|يرجى|[نيأت]قترح\w*|اقتراح\w*|[نيأت]ناشد\w*|نريد|من فضلكم)",
        r"прос(?:ить|имо|ять|ила|ив|или)|прохання|пропону\w*|пропозиц\w*|вимага\w*|рекоменду\w*|будь ласка",
    ),
    Act.STATEMENT: (
        r"believ\w*|belief\w*|report\w*|stat(?:es?|ed|ements?|ing)|assert\w*|says?|said|claim\w*|observ\w*|perce\w*"
        r"|express\w*|think\w*|thought|fear\w*|refus\w*|comment\w*|complain\w*|concern\w*|doubt\w*|mention\w*|not(?:es|ed|ing)"
        r"|convinced|insist\w*|describ\w*|shar(?:es|ed)|rumou?rs?",
        r"di(?:t|sent|sait)|déclar\w*|signal\w*|affirm\w*|croi\w*|croyance\w*|pens\w*|estim\w*|plain\w*|plaint\w*"
        r"|crain\w*|rapport\w*|exprim\w*|refus\w*|rumeur\w*|observation\w*",
        r"dic\w*|dijo|dijeron|cree\w*|creencia\w*|piens\w*|inform\w*|quej\w*|tem\w+|opin\w*|rechaz\w*|expres\w*|rumor\w*",
        r"(?:و?[يتن]قول\w*|قال\w*|[يتن]عتقد\w*|اعتقاد\w*|[يتن]ظن\w*|أخبر\w*|ذكر\w*|[يتن]شكو\w*|شكوى|شكاوى|[يتنأ]خاف\w*)",
        r"каж\w*|вваж\w*|дума\w*|повідом\w*|скар[жг]\w*|бо[їя]\w*|заяв\w*|розпов\w*|вір(?:ить|ять|ування)|чутк\w*",
    ),
    Act.PRAISE: (
        r"thank\w*|grat(?:eful|itude)\w*|apprecia\w*|prais\w*|commend\w*|encourag\w*|acknowledg\w*|congratul\w*",
        r"merci|remerci\w*|félicit\w*|reconnaissan\w*|bravo",
        r"gracias|agrade\w*|felicit\w*",
        r"(?:و?[نيأت]?شكر\w*|ممتن\w*|امتنان)",
        r"дяку\w*|вдячн\w*|подяк\w*",
    ),
}
_PATTERNS = {act: re.compile(rf"\b(?:{'|'.join(parts)})\b", re.IGNORECASE) for act, parts in _WORDS.items()}
_QUESTION_MARKS = ("?", "؟", "？")
_HALF_WEIGHT_CHARACTERS = 60
_OPENING_CHARACTERS = 400
CHAIN_CHARACTERS = 50
LEAST_REPORTED_WORDS = 3

ActVector = npt.NDArray[np.float64]
"""A number from 0 to 1 for each act; shape (4,)."""


def acts_of(text: str) -> ActVector:
    """How strongly a record's opening is each act: 1 for a word at its start, half of it 60 characters on."""
    opening = text[:_OPENING_CHARACTERS]
    strengths = np.zeros(len(Act))
    for act, pattern in _PATTERNS.items():
        match = pattern.search(opening)
        if match:
            strengths[act] = _HALF_WEIGHT_CHARACTERS / (_HALF_WEIGHT_CHARACTERS + match.start())
    first_mark = min((position for mark in _QUESTION_MARKS if (position := opening.find(mark)) >= 0), default=None)
    if first_mark is not None:
        begin = max(opening.rfind(end, 0, first_mark) for end in ".!…\n") + 1
        asked = _HALF_WEIGHT_CHARACTERS / (_HALF_WEIGHT_CHARACTERS + begin)
        strengths[Act.QUESTION] = max(strengths[Act.QUESTION], asked)
    return strengths


def acts_of_code(names: tuple[str, ...]) -> ActVector:
    """Which acts a code collects: those that the highest name on its path names; all 0 where none does."""
    for name in names:
        found = np.array([float(bool(_PATTERNS[act].search(name))) for act in Act])
        if found.any():
            return found
    return np.zeros(len(Act))


def reporting_end(sentence: str) -> int:
    """Where the words end that only say who tells or asks, in characters from the sentence's start; else 0.

    "Caller asks a question about" is one chain: a further act counts where it follows soon, and enough is left.
    """
    matches = sorted(
        match.span()
        for act, pattern in _PATTERNS.items()
        if act is not Act.PRAISE
        for match in pattern.finditer(sentence)
    )
    end = 0
    for start, stop in matches:
        if (end and start - end > CHAIN_CHARACTERS) or len(sentence[stop:].split()) < LEAST_REPORTED_WORDS:
            break
        end = max(end, stop)
    return end
