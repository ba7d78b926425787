"""Fetching published checkpoints: the one place in the program that reaches the network, and only when asked to.

pooch keeps the rules (hash first, another name until then); it begins anew after every cut, so the downloader that it
is given here goes on from what came so far. Proxies are those of the usual environment variables.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pooch
import requests

from napari_adasam.domain.errors import InputError, ModelError
from napari_adasam.domain.renaming import replaced
from napari_adasam.model.library import Entry, models_folder

MIRROR = "NAPARI_ADASAM_MIRROR"
CHUNK = 32 * 1024
"""Bytes written at a time; what is lost, at most, of a connection that breaks off."""
WORTH_A_RETRY = (408, 416, 425, 429)
OnBytes = Callable[[int, int, str], None]
"""Bytes here, bytes in all (as many as are here, where nobody knows), what is going on."""


@dataclass(frozen=True, slots=True)
class FetchSettings:
    """Patience: seconds for an answer and between two pieces, and fresh starts where nothing comes at all."""

    connect_s: float = 10.0
    read_s: float = 30.0
    retries: int = 3


class ResumingDownloader:
    """What pooch calls to download: goes on with HTTP Range, or anew where the server cannot.

    Parameters
    ----------
    part
        What came so far; it survives failures, and is no model to anybody.
    entry
        What is fetched; its size tells a cut where the server names no length.
    """

    def __init__(self, part: Path, entry: Entry, on_bytes: OnBytes, settings: FetchSettings) -> None:
        self._part, self._entry = part, entry
        self._on_bytes, self._settings = on_bytes, settings
        self._fresh = self._delivered = False
        self._attempts = 0

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        """Put the whole content into ``output_file``. Raises RequestException where another attempt may help."""
        if self._delivered and self._fresh:  # all of it came in one go, and pooch found its hash wrong
            raise ModelError(not_published(url))
        self._attempts += 1
        while True:
            before = self._here()
            try:
                self._receive(url)
                break
            except requests.RequestException as error:
                if is_final(error):
                    raise ModelError(_not_fetched(url, error)) from error
                if self._here() <= before:
                    raise
        replaced(self._part, Path(output_file))
        self._delivered = True

    def _here(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def _receive(self, url: str) -> None:
        """One request, from the first byte that is not here on; flushed to the disk at the end."""
        here = self._here()
        if here and here == self._entry.size:
            return
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={here}-"} if here else {})
        patience = (self._settings.connect_s, self._settings.read_s)
        with requests.get(url, headers=headers, stream=True, timeout=patience) as answer:
            span = answer.headers.get("Content-Range", "")
            if answer.status_code == 416 and span == f"bytes */{here}":
                return
            goes_on = answer.status_code == 206 and span.startswith(f"bytes {here}-")
            if answer.status_code in (206, 416) and not goes_on:
                self._part.unlink(missing_ok=True)
                raise requests.ConnectionError("The server gave another part of the file than was asked for.")
            answer.raise_for_status()
            self._fresh = not goes_on
            self._write(answer, here if goes_on else 0)

    def _write(self, answer: requests.Response, here: int) -> None:
        length = answer.headers.get("Content-Length", "")
        total = here + int(length) if length.isdecimal() else None
        what = "Fetching" if self._attempts == 1 else f"Fetching, attempt {self._attempts}"
        with self._part.open("ab" if here else "wb") as file:
            for piece in answer.iter_content(CHUNK):
                file.write(piece)
                here += len(piece)
                self._on_bytes(here, total or self._entry.size or here, what)
            file.flush()
            os.fsync(file.fileno())
        if total is None and here < (self._entry.size or 0):
            raise requests.ConnectionError("The server closed the connection before the end.")


def fetch(entry: Entry, on_bytes: OnBytes, settings: FetchSettings = FetchSettings()) -> Path:
    """Fetch a checkpoint into the models folder, unless it is there and whole; its path.

    A file of that name with another hash is replaced once the right one is here.

    Raises
    ------
    InputError
        If the mirror's address is none.
    ModelError
        If the file cannot be had, or what came is not it; what came of a broken connection is kept for the next time.
    OSError
        If the disk does not take it.
    """
    url, folder = address(entry), models_folder()
    store = pooch.Pooch(
        path=folder,
        base_url="",
        registry={entry.file: f"sha256:{entry.sha256}"},
        urls={entry.file: url},
        retry_if_failed=settings.retries,
    )
    downloader = ResumingDownloader(part_of(entry), entry, on_bytes, settings)
    try:
        with _quiet():
            return Path(store.fetch(entry.file, downloader=downloader))
    except requests.RequestException as error:
        raise ModelError(_not_fetched(url, error)) from error
    except ValueError as error:  # pooch: the hash differs
        raise ModelError(not_published(url)) from error


def part_of(entry: Entry) -> Path:
    """Where what came of an unfinished download lies; never a name that a model is looked for under."""
    return models_folder() / f".{entry.file}.part"


def address(entry: Entry) -> str:
    """Where to fetch from: the makers' address, or the file of that name on the mirror that the environment names."""
    mirror = os.environ.get(MIRROR, "").strip()
    if not mirror:
        return entry.address
    if urlsplit(mirror).scheme not in ("http", "https") or not urlsplit(mirror).netloc:
        raise InputError(
            f"{MIRROR} is no web address. Nothing was fetched. Set it to http:// or https:// and a folder; files from "
            "a disk are taken in by `napari-adasam models install FILE`."
        )
    return f"{mirror.rstrip('/')}/{entry.file}"


def not_published(url: str) -> str:
    """The sentence for wrong bytes."""
    return (
        f"What {_plain(url)} sent is not the published file (its sha256 differs). It was thrown away, and no model was "
        "changed. A filter of the network may have answered in its place: ask for another way, or copy the file from "
        "another computer and run `napari-adasam models install FILE`."
    )


def is_final(error: requests.RequestException) -> bool:
    """Whether the server will say the same again."""
    code = 0 if error.response is None else error.response.status_code
    return 400 <= code < 500 and code not in WORTH_A_RETRY


def _not_fetched(url: str, error: requests.RequestException) -> str:
    if error.response is not None:
        code, reason = error.response.status_code, error.response.reason
        return (
            f"{_plain(url)} cannot be had: the server answered {code} {reason}. No model was changed. Check "
            f"{MIRROR}, or copy the file from another computer and run `napari-adasam models install FILE`."
        )
    return (
        f"{_plain(url)} cannot be had: {_reason(error)}. No model was changed, and what came so far is kept for the "
        f"next time. Check the network, HTTPS_PROXY and {MIRROR}, or copy the file from another computer and run "
        "`napari-adasam models install FILE`."
    )


def _reason(error: requests.RequestException) -> str:
    """In a few words; the library's own would name addresses, and passwords in them."""
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy does not answer"
    if isinstance(error, requests.exceptions.SSLError):
        return "the server's certificate is not accepted"
    if isinstance(error, requests.Timeout):
        return "no answer came in time"
    return "there is no connection, or it broke off"


def _plain(url: str) -> str:
    """An address without a name and password in it."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without pooch's log on the terminal: progress and errors are told once, by us."""
    logger = pooch.get_logger()
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before
