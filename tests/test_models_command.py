"""``napari-adasam models …``: what it prints, its exit codes, a download that is stopped; and no network unasked."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from loopback import Manners, serving

from napari_adasam import cli
from napari_adasam.model import library

PATIENCE_S = 120
CONTENT = np.random.default_rng(1).bytes(3_000_000)
FETCH = f"""
import signal, sys
from dataclasses import replace
from pathlib import Path
from napari_adasam.model import fetching, library
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin without it
folder = Path(sys.argv[1])
library.models_folder = fetching.models_folder = lambda: folder
small = replace(library.PUBLISHED["vit_b"], sha256="{hashlib.sha256(CONTENT).hexdigest()}", size={len(CONTENT)})
library.PUBLISHED["vit_b"] = small
sys.argv = ["napari-adasam", "models", "fetch", "vit_b"]
from napari_adasam.cli import main
main()
"""
NO_NETWORK = """
import socket, sys

def refuse(*arguments, **options):
    sys.stderr.write(f"reached for the network: {arguments}")
    sys.stderr.flush()
    import os
    os._exit(7)

def connect(self, to):
    return real(self, to) if self.family == getattr(socket, "AF_UNIX", None) else refuse(to)

real = socket.socket.connect
socket.socket.connect, socket.getaddrinfo, socket.create_connection = connect, refuse, refuse
import napari_adasam
from napari_adasam.services.library import choices, lines
assert choices()["adasam-us"] and lines()
import napari_adasam.cli
for name in ("pooch", "requests", "torch"):
    assert name not in sys.modules, name
from napari_adasam.domain.settings import ModelSettings
from napari_adasam.services.predictor import ModelPredictor
assert ModelPredictor(ModelSettings(device="cpu")).info().name == "adasam-us"
"""


@dataclass
class Ended:
    """How a run ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., Ended]:
    """Run the command line in this process, with an empty models folder."""
    monkeypatch.setattr(library, "models_folder", lambda: tmp_path / "models")

    def run_it(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["napari-adasam", "models", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        printed = capsys.readouterr()
        assert isinstance(end.value.code, int | None)
        return Ended(end.value.code or 0, printed.out, printed.err)

    return run_it


def test_the_list_is_one_line_a_model(run: Callable[..., Ended], tmp_path: Path) -> None:
    ended = run("list", "--json", str(tmp_path / "list.json"))
    assert ended.code == 0
    rows = ended.out.splitlines()
    assert [row.split()[0] for row in rows] == ["adasam-us", "mobile_sam", "vit_b", "vit_l", "vit_h"]
    assert ["bundled" in row for row in rows] == [True, *[False] * 4]
    assert "375.0 MB  not here   Apache-2.0" in rows[2]
    assert "size unknown" in rows[3]
    kept = json.loads((tmp_path / "list.json").read_text(encoding="utf-8"))
    assert [one["name"] for one in kept] == [row.split()[0] for row in rows]


def test_installing_and_verifying_speak_json(run: Callable[..., Ended]) -> None:
    ended = run("install", str(library.bundled_path()))
    assert (ended.code, json.loads(ended.out)["name"]) == (0, "adasam-us")
    ended = run("verify")
    assert ended.code == 0
    assert [(one["name"], one["sound"]) for one in json.loads(ended.out)["models"]] == [("adasam-us", True)]


def test_verify_fails_where_a_file_differs(run: Callable[..., Ended], tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / library.PUBLISHED["vit_b"].file).write_bytes(b"half of it")
    ended = run("verify")
    assert ended.code == 1
    assert "is not the model vit_b (its sha256 differs)" in ended.err
    assert not json.loads(ended.out)["models"][1]["sound"]


@pytest.mark.parametrize("arguments", [("fetch", "medsam"), ("install", "gone.pth")])
def test_bad_input_is_one_sentence(run: Callable[..., Ended], arguments: tuple[str, ...]) -> None:
    ended = run(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert "Nothing was" in ended.err
    assert "Traceback" not in ended.err


def fetching_process(folder: Path, address: str) -> subprocess.Popen[str]:
    """``models fetch vit_b`` in a process of its own, with a small file in place of the real one."""
    surroundings = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
    return subprocess.Popen(
        [sys.executable, "-c", FETCH, str(folder)],
        env=surroundings | {"NAPARI_ADASAM_MIRROR": address},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGINT")
def test_a_slow_download_can_be_stopped_and_gone_on_with(tmp_path: Path) -> None:
    manners = Manners(CONTENT, pause_s=0.05)
    part = tmp_path / ".sam_vit_b_01ec64.pth.part"
    with serving(manners) as address:
        stopped = fetching_process(tmp_path, address)
        began = time.monotonic()
        while not (part.exists() and part.stat().st_size) and time.monotonic() - began < PATIENCE_S:
            time.sleep(0.02)
        stopped.send_signal(signal.SIGINT)
        out, err = stopped.communicate(timeout=PATIENCE_S)
        assert stopped.returncode != 0
        assert out == ""
        assert "Traceback" not in err
        assert 0 < part.stat().st_size < len(CONTENT)
        manners.pause_s = 0.0
        again = fetching_process(tmp_path, address)
        out, err = again.communicate(timeout=PATIENCE_S)
    assert again.returncode == 0, err
    assert json.loads(out) == {"name": "vit_b", "file": str(tmp_path / "sam_vit_b_01ec64.pth")}
    assert (tmp_path / "sam_vit_b_01ec64.pth").read_bytes() == CONTENT
    assert not part.exists()
    assert manners.asked[1][1].startswith("bytes=")


def test_a_missing_file_of_the_server_is_a_failure_in_one_sentence(tmp_path: Path) -> None:
    with serving(Manners(CONTENT, status=404)) as address:
        ended = fetching_process(tmp_path, address)
        out, err = ended.communicate(timeout=PATIENCE_S)
    assert (ended.returncode, out) == (1, "")
    assert "the server answered 404" in err
    assert "Traceback" not in err


def test_nothing_reaches_the_network_unasked(tmp_path: Path) -> None:
    """Importing, listing models, and loading the bundled one; in a process of its own."""
    surroundings = os.environ | {"XDG_DATA_HOME": str(tmp_path), "LOCALAPPDATA": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", NO_NETWORK],
        capture_output=True,
        text=True,
        check=False,
        env=surroundings,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
