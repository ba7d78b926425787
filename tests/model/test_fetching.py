"""Fetching from a server on the loopback address: slow, cut off, wrong, missing, not there."""

from __future__ import annotations

import ast
import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from held_files import hold
from loopback import Manners, serving

import napari_adasam
from napari_adasam.domain.errors import InputError, ModelError
from napari_adasam.domain.renaming import PAUSES
from napari_adasam.model import fetching, library
from napari_adasam.model.fetching import CHUNK, MIRROR, FetchSettings, fetch, part_of
from napari_adasam.model.library import Entry

CONTENT = np.random.default_rng(0).bytes(600_000)
ENTRY = Entry("sam.pth", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT), "http://192.0.2.1/never/sam.pth", "vit_b")
ONCE = FetchSettings(connect_s=2, read_s=2, retries=0)
AGAIN = FetchSettings(connect_s=2, read_s=2, retries=1)


def quiet(here: int, total: int, what: str) -> None:
    """No progress wanted."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty models folder, and no proxies but those of the test."""
    monkeypatch.setattr(library, "models_folder", lambda: tmp_path / "models")
    monkeypatch.setattr(fetching, "models_folder", lambda: tmp_path / "models")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return tmp_path / "models"


@pytest.fixture
def manners() -> Manners:
    return Manners(CONTENT)


@pytest.fixture
def address(manners: Manners, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A running server, named as the mirror."""
    with serving(manners) as at:
        monkeypatch.setenv(MIRROR, f"{at}/sam/")
        yield at


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_comes_whole_and_alone(address: str, manners: Manners, folder: Path) -> None:
    path = fetch(ENTRY, quiet, ONCE)
    assert path == folder / "sam.pth"
    assert path.read_bytes() == CONTENT
    assert left_in(folder) == ["sam.pth"]
    assert manners.asked == [("/sam/sam.pth", "")]


def test_what_came_and_a_virus_scanner_holds_is_waited_for(
    address: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept = hold(monkeypatch, 3)
    assert fetch(ENTRY, quiet, ONCE).read_bytes() == CONTENT
    assert [pause for pause in slept if pause] == list(PAUSES[:3]), "the server of the tests sleeps, too"
    assert left_in(folder) == ["sam.pth"]


def test_what_came_and_stays_held_is_not_fetched_again(
    address: str, manners: Manners, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        hold(patch, 1000)
        with pytest.raises(OSError, match="held"):
            fetch(ENTRY, quiet, ONCE)
    assert fetch(ENTRY, quiet, ONCE).read_bytes() == CONTENT
    assert len(manners.asked) == 1
    assert left_in(folder) == ["sam.pth"]


def test_what_is_here_and_whole_is_not_asked_for(address: str, manners: Manners, folder: Path) -> None:
    folder.mkdir()
    (folder / "sam.pth").write_bytes(CONTENT)
    assert fetch(ENTRY, quiet, ONCE) == folder / "sam.pth"
    assert manners.asked == []


def test_what_is_here_and_damaged_is_replaced(address: str, folder: Path) -> None:
    folder.mkdir()
    (folder / "sam.pth").write_bytes(CONTENT[:-1])
    assert fetch(ENTRY, quiet, ONCE).read_bytes() == CONTENT


def test_progress_of_a_slow_server_arrives_while_it_comes_and_a_stop_loses_nothing(
    address: str, manners: Manners, folder: Path
) -> None:
    manners.pause_s = 0.005
    heard: list[int] = []

    def stop_at_a_third(here: int, total: int, what: str) -> None:
        heard.append(here)
        assert total == len(CONTENT)
        if here > total / 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(ENTRY, stop_at_a_third, ONCE)
    assert heard[-1] < len(CONTENT)
    assert left_in(folder) == [part_of(ENTRY).name]
    assert not library.installed()
    manners.pause_s = 0.0
    assert fetch(ENTRY, quiet, ONCE).read_bytes() == CONTENT
    assert manners.asked[1][1] == f"bytes={heard[-1]}-"
    assert left_in(folder) == ["sam.pth"]


def test_a_download_that_is_cut_off_goes_on_where_it_was(address: str, manners: Manners) -> None:
    manners.cuts = 3
    assert fetch(ENTRY, quiet, ONCE).read_bytes() == CONTENT
    starts = [int(span[6:-1]) for _, span in manners.asked[1:]]
    assert starts == sorted(set(starts))
    assert len(starts) == 3
    assert 300_000 - CHUNK < starts[0] <= 300_000


@pytest.mark.parametrize("names_length", [True, False])
def test_without_ranges_it_begins_anew(address: str, manners: Manners, names_length: bool) -> None:
    manners.cuts, manners.ranges, manners.names_length = 1, False, names_length
    assert fetch(ENTRY, quiet, ONCE).read_bytes() == CONTENT
    assert [bool(span) for _, span in manners.asked] == [False, True]


def test_a_connection_that_stays_broken_is_a_sentence_and_keeps_what_came(
    address: str, manners: Manners, folder: Path
) -> None:
    manners.cuts, manners.ranges = 99, False
    with pytest.raises(ModelError, match=r"it broke off.*what came so far is kept.*models install FILE"):
        fetch(ENTRY, quiet, ONCE)
    assert left_in(folder) == [part_of(ENTRY).name]
    assert 300_000 - CHUNK < part_of(ENTRY).stat().st_size <= 300_000


def test_wrong_bytes_are_refused_and_nothing_is_left(address: str, manners: Manners, folder: Path) -> None:
    manners.content = CONTENT[:-1] + b"?"
    with pytest.raises(ModelError, match=r"not the published file \(its sha256 differs\).*thrown away"):
        fetch(ENTRY, quiet, AGAIN)
    assert left_in(folder) == []
    assert len(manners.asked) == 1, "what came in one go is not fetched again"


def test_a_page_in_place_of_the_file_is_refused(address: str, manners: Manners, folder: Path) -> None:
    manners.content = b"<html>Please log in</html>"
    with pytest.raises(ModelError, match="sha256 differs"):
        fetch(ENTRY, quiet, ONCE)
    assert left_in(folder) == []


def test_a_beginning_of_another_file_is_thrown_away(address: str, manners: Manners, folder: Path) -> None:
    folder.mkdir()
    part_of(ENTRY).write_bytes(b"x" * 100)
    assert fetch(ENTRY, quiet, AGAIN).read_bytes() == CONTENT
    assert [span for _, span in manners.asked] == ["bytes=100-", ""]


@pytest.mark.parametrize("size", [len(CONTENT), None])
def test_all_that_came_before_a_crash_is_used(address: str, manners: Manners, folder: Path, size: int | None) -> None:
    folder.mkdir()
    part_of(ENTRY).write_bytes(CONTENT)
    entry = Entry(ENTRY.file, ENTRY.sha256, size, ENTRY.address, ENTRY.architecture)
    assert fetch(entry, quiet, ONCE).read_bytes() == CONTENT
    assert len(manners.asked) == (0 if size else 1)


def test_more_than_there_is_begins_anew(address: str, manners: Manners, folder: Path) -> None:
    folder.mkdir()
    part_of(ENTRY).write_bytes(CONTENT + b"more")
    assert fetch(ENTRY, quiet, AGAIN).read_bytes() == CONTENT
    assert manners.asked[-1][1] == ""


@pytest.mark.parametrize(("status", "requests"), [(404, 1), (403, 1), (503, 2)])
def test_an_error_of_the_server_is_a_sentence(
    address: str, manners: Manners, folder: Path, status: int, requests: int
) -> None:
    manners.status = status
    with pytest.raises(ModelError, match=rf"sam\.pth cannot be had: the server answered {status} "):
        fetch(ENTRY, quiet, AGAIN)
    assert left_in(folder) == []
    assert len(manners.asked) == requests


def test_no_server_is_a_sentence_without_the_password(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
        monkeypatch.setenv(MIRROR, f"http://somebody:secret@127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(ModelError, match="there is no connection") as caught:
            fetch(ENTRY, quiet, ONCE)
    assert "secret" not in str(caught.value)
    assert left_in(folder) == []


def test_a_silent_server_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv(MIRROR, f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(ModelError, match="no answer came in time"):
            fetch(ENTRY, quiet, FetchSettings(connect_s=0.3, read_s=0.3, retries=0))


def test_a_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch, manners: Manners) -> None:
    with serving(manners) as at:
        monkeypatch.setenv("HTTP_PROXY", at)
        monkeypatch.setenv("http_proxy", at)
        assert fetch(ENTRY, quiet, ONCE).read_bytes() == CONTENT
    assert manners.asked == [(ENTRY.address, "")]


def test_a_proxy_that_is_not_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("http_proxy", f"http://me:secret@127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(ModelError, match="the proxy does not answer") as caught:
            fetch(ENTRY, quiet, ONCE)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("mirror", ["/mnt/models", "models.hospital.example/sam", "ftp://models.example"])
def test_a_mirror_that_is_no_web_address_is_bad_input(monkeypatch: pytest.MonkeyPatch, mirror: str) -> None:
    monkeypatch.setenv(MIRROR, mirror)
    with pytest.raises(InputError, match="no web address"):
        fetch(ENTRY, quiet, ONCE)


def test_published_models_come_from_their_makers_hosts() -> None:
    hosts = {entry.address.split("/")[2] for entry in library.PUBLISHED.values()}
    assert hosts == {"dl.fbaipublicfiles.com", "raw.githubusercontent.com"}
    for entry in library.PUBLISHED.values():
        assert entry.address.startswith("https://")
        assert entry.address.endswith(f"/{entry.file}")
        assert len(bytes.fromhex(entry.sha256)) == 32


def test_nothing_else_in_the_program_reaches_the_network() -> None:
    networking = {"pooch", "requests", "urllib3", "http", "socket", "ftplib", "aiohttp", "httpx"}
    package = Path(napari_adasam.__file__).parent
    found = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([one.name for one in node.names] if isinstance(node, ast.Import) else [node.module or ""])
        if name.split(".")[0] in networking or name == "urllib.request"
    }
    assert found == {"model/fetching.py"}
    by_pip = {path.name for path in package.rglob("*.py") if '"pip"' in path.read_text(encoding="utf-8")}
    assert by_pip == {"peers.py"}, "which the documents name beside it"
