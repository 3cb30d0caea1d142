"""What pages say, in the reader's language. The English text is the key; the catalogue holds the others."""

from __future__ import annotations

from dataclasses import dataclass

from foreseal.errors import UsageError
from foreseal.pages.chinese import CHINESE

CATALOGUES = {"en": {}, "zh": CHINESE}
TAGS = {"en": "en", "zh": "zh-Hans"}


@dataclass(frozen=True, slots=True)
class Words:
    """Translates: ``words("{n} rows", n=3)``. What a catalogue does not know stays as it is."""

    lang: str = "en"

    def __post_init__(self) -> None:
        if self.lang not in CATALOGUES:
            raise UsageError(
                f"There are no pages in {self.lang!r}.", hint=f"Use one of: {', '.join(CATALOGUES)}."
            )

    def __call__(self, text: str, **values: object) -> str:
        found = CATALOGUES[self.lang].get(text, text)
        return found.format(**values) if values else found

    @property
    def tag(self) -> str:
        """Language tag of the page (BCP 47)."""
        return TAGS[self.lang]
