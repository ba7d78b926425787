"""Tables and names that people and other programs wrote: what parts the columns, and letters with their accents."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import IO, Literal

DELIMITERS = ",;\t"
"""Between the columns of a table: Excel writes semicolons where numbers have a comma."""
RETURN_AND_FEED = "\r\n"


def table_reader(text: str, keys: Collection[str]) -> csv.DictReader[str]:
    """Reads the rows of a table whose columns are parted so that one is called as one of ``keys``; else by commas.

    What a row lacks is empty. Spaces that people put behind the commas, or round the columns' names, are left out.
    """
    readers = [_reader(text, delimiter) for delimiter in DELIMITERS]
    return next((one for one in readers if {*keys} & {*(one.fieldnames or ())}), readers[0])


def _reader(text: str, delimiter: str) -> csv.DictReader[str]:
    reader = csv.DictReader(io.StringIO(text, newline=""), restval="", delimiter=delimiter, skipinitialspace=True)
    reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
    return reader


def table_writer(
    file: IO[str], columns: Sequence[str], extra: Literal["raise", "ignore"] = "raise"
) -> csv.DictWriter[str]:
    """Writes rows with commas between the columns and a line feed behind each; a cell without a value is empty.

    A cell with a line feed or a carriage return is put in quotes, or readers would see two rows in it. Python before
    3.13 does so only with the characters that end a row: so these are both, and the return is taken off again.
    """
    return csv.DictWriter(_LineFeeds(file), columns, restval="", extrasaction=extra, lineterminator=RETURN_AND_FEED)


@dataclass(frozen=True, slots=True)
class _LineFeeds:
    """Takes rows one by one, as csv writes them."""

    file: IO[str] = field(repr=False)

    def write(self, row: str) -> object:
        return self.file.write(f"{row.removesuffix(RETURN_AND_FEED)}\n")


def composed(text: str) -> str:
    """A name as most keyboards write it, with letters and accents in one: macOS may keep a file's name taken apart."""
    return unicodedata.normalize("NFC", text)
