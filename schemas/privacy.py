"""What was done about personal data before a model saw an input."""

from pydantic import Field

from schemas.base import Frozen


class Privacy(Frozen):
    """Who looked for personal data in the input's records, and how much was replaced. Never what it was."""

    recognisers: tuple[str, ...] = Field(
        description="Those that looked, by name, as docs/privacy.md lists them; empty: nobody, the model saw all."
    )
    languages: tuple[str, ...] = Field(
        default=(), description="Languages that the records were found to be in, as BCP 47 codes, most frequent first."
    )
    replaced: dict[str, int] = Field(
        default_factory=dict, description="How many places were replaced, by kind: EMAIL, PHONE, PERSON and so on."
    )
