"""From probabilities to an answer: which codes are supported, how sure each level is, or why there is none."""

from typing import Any

import numpy as np

from adapters.offline.classifier import FrameworkClassifier, Scored
from adapters.offline.embeddings import Embedder
from adapters.offline.texts import letters

SAYS = "offline/semantic (not an LLM)"
LEAST_SUPPORT = 0.25
"""In a script that is not the framework's, n-grams say nothing, and real feedback comes down to here."""
LEAST_LETTERS = 3
LIKENESS_AGAINST_SMALL_TALK = 0.4
LEAST_PROBABILITY = 0.08
LEAST_TIMES_CHANCE = 12
"""A best code that is less probable, and less than a dozen times as probable as by chance, stands out from nothing."""
SUPPORTED_SHARE = 0.25
"""A further code is given where it is at least so probable, beside the first."""
QUOTE_CHARACTERS = 120

SMALL_TALK = (
    "Hello.",
    "Good morning, how are you?",
    "Okay, bye.",
    "Yes.",
    "No.",
    "I have nothing to say.",
    "No comment.",
    "Sorry, I dialled the wrong number.",
    "This is only a test.",
    "Testing, testing.",
    "It is a sunny day with blue sky.",
    "It will be cloudy tomorrow.",
    "The match ended with two goals.",
    "The team scored in the last minute and leads the league.",
    "I like this song.",
    "The film was long.",
    "My phone has a new screen.",
    "The actor stars in a new series.",
    "Chop the onions and fry them in oil.",
    "Whisk the eggs with sugar and bake the dough in the oven.",
    "Season with salt, pepper and lemon juice.",
    "I would like to order a drink and a dessert.",
    "A table for two, please.",
    "We are going to the beach with friends at the weekend.",
    "The new car drives fast.",
    "Send me the photos of the party.",
    "The singer gives a concert tonight.",
    "She wears a red dress.",
    "Click here to win a prize.",
    "Congratulations, you are our winner, follow the link to claim your gift.",
    "Special offer: everything at half price in our online shop, buy now.",
    "Make money fast from home.",
    "How do I set up the software on my computer?",
    "The screen stays black when I turn on the laptop.",
    "Shares rose on the stock exchange.",
    "The company published its quarterly profits.",
    "The capital city has two million inhabitants.",
    "The river is the longest on the continent.",
    "Lorem ipsum.",
    "The dog is asleep.",
    "Happy birthday!",
    "asdf",
    "qwertyuiop",
    "xxx",
    "bla bla bla",
)
"""What fits no coding framework: a text of which every sentence is nearer to one of these than to any code is
not coded. They are ours, of everyday topics, and no text that a test or a sample expects an abstention for."""


class Coder:
    """Answers coding tasks, for any framework."""

    def __init__(self, embedder: Embedder) -> None:
        self._small_talk = embedder.encode(SMALL_TALK)

    def answer(self, classifier: FrameworkClassifier, record: str, max_codes: int) -> dict[str, Any]:
        """The answer's JSON: codes by their position numbers, or an abstention with its reason."""
        if letters(record) < LEAST_LETTERS:
            return _abstention("the record holds hardly any letters")
        scored = classifier.score(record)
        if float(scored.closest.max()) + scored.likeness < LEAST_SUPPORT:
            return _abstention("nothing in the framework is close to what the record says")
        # Words that the framework itself uses speak against small talk, whatever the sentence resembles otherwise.
        support = scored.closest + LIKENESS_AGAINST_SMALL_TALK * scored.likeness
        if np.all((scored.sentences @ self._small_talk.T).max(axis=1) > support):
            return _abstention("the record is closer to everyday talk, or advertising, than to any code")
        best = ranking(scored)[:max_codes]
        if scored.probabilities[best[0]] < min(LEAST_PROBABILITY, LEAST_TIMES_CHANCE / len(classifier.leaves)):
            return _abstention("no code stands out from the others")
        least = SUPPORTED_SHARE * scored.probabilities[best[0]]
        chosen = [leaf for leaf in best if scored.probabilities[leaf] >= least]
        return {"codes": [_code(classifier, scored, leaf) for leaf in chosen], "abstained_because": None}


def ranking(scored: Scored) -> list[int]:
    """The leaves, most probable first, ties in the framework's order."""
    return [int(leaf) for leaf in np.argsort(-scored.probabilities, kind="stable")]


def _code(classifier: FrameworkClassifier, scored: Scored, leaf: int) -> dict[str, Any]:
    position = classifier.leaves[leaf].position
    taught = _taught_by(classifier.corrections) if classifier.corrections else ""
    return {
        "id": position,
        "confidence": _confidences(classifier, scored, position),
        "reason": f"{SAYS}{taught}: closest to «{_shortened(classifier.closest_text(scored, leaf))}»",
    }


def _taught_by(corrections: int) -> str:
    count = "1 correction" if corrections == 1 else f"{corrections} corrections"
    return f", taught by {count} (records that analysts corrected in this framework, whatever their codes)"


def _confidences(classifier: FrameworkClassifier, scored: Scored, position: str) -> list[float]:
    """For each level the probability of all leaves at or under it, so that no level is surer than the one above."""
    totals = (float(scored.probabilities[below].sum()) for below in classifier.leaves_below(position))
    return [round(min(total, 1.0), 4) for total in totals]


def _shortened(text: str) -> str:
    return text if len(text) <= QUOTE_CHARACTERS else f"{text[:QUOTE_CHARACTERS].rstrip()}…"


def _abstention(because: str) -> dict[str, Any]:
    return {"codes": [], "abstained_because": f"{SAYS}: {because}"}
