"""Texts without what is personal in them, and the way back."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from domain.privacy.kinds import Kind
from domain.privacy.placeholders import Key, Placeholders, replaced, written
from domain.privacy.spans import Span
from domain.sizes import bytes_in_json
from schemas.privacy import Privacy

MOST_RESTORED = 100_000
"""Bytes of originals, as JSON has them, in one result: it has to fit on its topic beside all the rest."""


@dataclass(frozen=True, slots=True)
class Anonymised:
    """What became of the texts of one call.

    Attributes:
        texts: in the order given, with placeholders such as `[EMAIL_1]`. They are numbered over all texts of the call;
            the same original has the same placeholder in all of them.
        counts: how many places were replaced, by kind; kinds without any are left out.
        recognisers: names of those that looked, in the order of their precedence; empty: nobody looked.
        languages: of each text, a language's code as BCP 47 has it, or None where it cannot be told.
    """

    texts: tuple[str, ...] = field(repr=False)
    counts: Mapping[Kind, int] = field(default_factory=dict)
    recognisers: tuple[str, ...] = ()
    languages: tuple[str | None, ...] = ()
    _originals: Mapping[Key, str] = field(default_factory=dict, repr=False)

    def restoring(self, without: Collection[Kind] = ()) -> Callable[[str], str]:
        """For the texts of one result: gives each back with the originals in place of placeholders that this object
        made, and of no others.

        For single strings of a result that was parsed: an original may hold quotes, which would break JSON, and
        placeholders of its own, which are left alone. It may be longer than its placeholder: check lengths before. An
        original that would bring those put back so far, in all texts together, over 100,000 bytes stays a placeholder:
        a long URL that a model repeats must not keep the result off its topic.

        A placeholder without a bracket, in small letters or with an escaped underscore is understood; one whose kind or
        number is another, or that has been translated, stays as it stands.

        Args:
            without: kinds that stay placeholders.
        """
        left = MOST_RESTORED
        sizes: dict[Key, int] = {}

        def original(key: Key) -> str | None:
            nonlocal left
            found = None if key[0] in without else self._originals.get(key)
            if found is None:
                return None
            if key not in sizes:
                sizes[key] = bytes_in_json(found)
            if sizes[key] > left:
                return None
            left -= sizes[key]
            return found

        return lambda text: replaced(text, original) if self._originals else text

    def hide(self, text: str) -> str:
        """Another text with placeholders for the originals in it: for what was made of these texts and restored.

        Originals as whole words alone, the longest first.
        """
        placeholders = {original: written(*key) for key, original in self._originals.items()}
        if not placeholders:
            return text
        longest_first = "|".join(re.escape(original) for original in sorted(placeholders, key=len, reverse=True))
        return re.sub(rf"(?<!\w)(?:{longest_first})(?!\w)", lambda match: placeholders[match.group()], text)

    def told(self) -> Privacy:
        """What a result says of it: nothing of any text."""
        known = Counter(language for language in self.languages if language is not None)
        return Privacy(
            recognisers=self.recognisers,
            languages=tuple(language for language, _ in known.most_common()),
            replaced={kind.value: count for kind, count in sorted(self.counts.items())},
        )


def anonymised(
    texts: Sequence[str],
    spans: Sequence[Sequence[Span]],
    recognisers: Sequence[str],
    languages: Sequence[str | None],
) -> Anonymised:
    """The texts with a placeholder for each span.

    Args:
        spans: for each text, without overlaps, in the text's order.
    """
    placeholders = Placeholders()
    masked = placeholders.replace(texts, spans)
    counts = Counter(span.kind for found in spans for span in found)
    return Anonymised(masked, dict(counts), tuple(recognisers), tuple(languages), placeholders.originals)


def untouched(texts: Sequence[str]) -> Anonymised:
    """The texts as they are, looked at by nobody."""
    return Anonymised(tuple(texts), languages=(None,) * len(texts))
