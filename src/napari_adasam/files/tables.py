"""Tables and names that people and other programs wrote: what parts the columns, and letters with their accents."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Collection

DELIMITERS = ",;\t"
"""Between the columns of a table: Excel writes semicolons where numbers have a comma."""


def delimiter_of(line: str, keys: Collection[str]) -> str:
    """What parts the columns of a first line, so that one is called as one of ``keys``; a comma where nothing does."""
    return next((one for one in DELIMITERS if {*keys} & {*next(csv.reader([line], delimiter=one), ())}), ",")


def composed(text: str) -> str:
    """A name as most keyboards write it, with letters and accents in one: macOS may keep a file's name taken apart."""
    return unicodedata.normalize("NFC", text)
