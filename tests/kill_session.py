"""A scripted session that is killed at random instants: ``python tests/kill_session.py --kills 200``.

Each time a process of its own goes on with the session: strokes, clicks, ticks, notes, skips, undo, accepts and rounds,
with a model that needs no weights. It says through a pipe what is accepted, after the program has said so. Then it gets
SIGKILL. The session must open, without a damaged mask, and hold every mask that was said to be accepted, bit for bit.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from napari_adasam.domain.settings import LearnSettings, Settings
from napari_adasam.domain.structures import MUSCLE_PRESET
from napari_adasam.files.masks import mask_name
from napari_adasam.files.store import Store

sys.path.insert(0, str(Path(__file__).parent / "services"))
from annotator_fakes import HEIGHT, INSIDE, WIDTH, Desk, make_desk, write_images

LONGEST_S = 0.6
IMAGES = 12


def stroke(desk: Desk, rng: random.Random) -> None:
    labels = desk.labels().copy()
    y, x = rng.randrange(HEIGHT - 8), rng.randrange(WIDTH - 12)
    labels[y : y + 8, x : x + 12] = rng.choice((0, 1, 2))
    desk.annotator.stroke(labels)


def act(desk: Desk, rng: random.Random, say: int) -> None:
    """One thing that a clinician does."""
    annotator = desk.annotator
    what = rng.choices(
        ("stroke", "accept", "click", "tick", "note", "skip", "undo", "redo", "jump", "unusable", "round"),
        (8, 6, 2, 1, 1, 1, 2, 1, 3, 1, 1),
    )[0]
    if what == "stroke":
        stroke(desk, rng)
    elif what == "accept":
        current, name = desk.current, mask_name(desk.labels())
        if annotator.accept() and name == mask_name(desk.session.labels(current)):
            os.write(say, f"{current} {name}\n".encode())
    elif what == "click":
        annotator.click(INSIDE, 1)
    elif what == "tick":
        annotator.tick(2, rng.choice((True, False, None)))
    elif what == "note":
        annotator.note(f"note {rng.randrange(99)}")
    elif what == "jump":
        annotator.go_to(rng.choice(desk.session.frames).id)
    elif what == "round":
        annotator.start_round()
    else:
        {"skip": annotator.skip, "undo": annotator.undo, "redo": annotator.redo, "unusable": annotator.mark_unusable}[
            what
        ]()


def work(folder: Path, seed: int, say: int) -> None:
    """The child: open the session, or make it, and work until the end."""
    desk = make_desk(Settings(learn=LearnSettings(every=3)), MUSCLE_PRESET)
    session = folder / "session"
    if session.is_dir():
        problems = desk.annotator.open([session])
    else:
        problems = desk.annotator.open([folder / "scans"])
        desk.annotator.save_as(session)
    os.write(say, f"opened {json.dumps(problems)}\n".encode())
    rng = random.Random(seed)
    while True:
        act(desk, rng, say)
        if rng.random() < 0.3:
            desk.settle()


@dataclass
class Tally:
    """What was found after each kill."""

    kills: int = 0
    accepted: int = 0
    faults: list[str] = field(default_factory=list)


def kill_once(folder: Path, seed: int, tally: Tally, said: dict[str, set[str]]) -> None:
    """Let a child work, kill it, and look."""
    listen, say = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(listen)
        try:
            work(folder, seed, say)
        finally:
            os._exit(1)
    os.close(say)
    with os.fdopen(listen, encoding="utf-8") as lines:
        first = lines.readline()
        if first != "opened []\n":
            tally.faults.append(f"kill {tally.kills}: did not open cleanly: {first!r}")
        time.sleep(random.Random(seed).uniform(0.0, LONGEST_S))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        for line in lines.read().splitlines(keepends=True):
            if line.endswith("\n"):
                frame_id, name = line.split()
                said.setdefault(frame_id, set()).add(name)
                tally.accepted += 1
    tally.kills += 1
    tally.faults += [f"kill {tally.kills}: {fault}" for fault in faults(folder / "session", said)]


def faults(session: Path, said: dict[str, set[str]]) -> list[str]:
    """What is wrong with the session on the disk."""
    store = Store.open(session)
    try:
        found = list(store.load().problems)
        for frame_id, names in said.items():
            there = {mask_name(np.asarray(version.labels.open())) for version in store.versions(frame_id)}
            found += [f"{frame_id} lost {name}" for name in names - there]
    finally:
        store.close()
    return found


def run(kills: int, seed: int = 0) -> Tally:
    """So many kills of one session."""
    tally, said = Tally(), dict[str, set[str]]()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_images(folder / "scans", IMAGES)
        for number in range(kills):
            kill_once(folder, seed * 100_003 + number, tally, said)
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    tally = run(options.kills, options.seed)
    print(json.dumps({"kills": tally.kills, "accepted": tally.accepted, "faults": tally.faults}, indent=2))  # noqa: T201
    sys.exit(bool(tally.faults))


if __name__ == "__main__":
    main()
