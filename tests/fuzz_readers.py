"""Damages valid files of every kind in many ways, and reads them.

``python tests/fuzz_readers.py --count 20000 --seed 0``

Every file must end in pixels or in one sentence: no crash, no traceback, no more than 10 s of processor time, no more
than 2 GiB of memory. Files are read in a worker process of their own with these limits. What is found is kept with
``--keep``; file n of a seed is always the same, and ``--only n`` makes it alone.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import selectors
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "files"), str(HERE)]

from specimens import SPECIMENS  # noqa: E402

from fuzz_damage import bombs, damaged  # noqa: E402

PATIENCE_S = 10.0
"""Of processor time, so that a busy machine makes no hangs."""
STANDSTILL_S = 90.0
"""On the clock."""
MEMORY = 2 << 30
GOOD = ("pixels", "sentence")


class Worker:
    """A process that reads files, one a line, and says what came of each."""

    def __init__(self) -> None:
        environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(HERE / "fuzz_worker.py"), str(MEMORY)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment,
        )  # fmt: skip
        self._selector = selectors.DefaultSelector()
        assert self._process.stdout is not None
        self._selector.register(self._process.stdout, selectors.EVENT_READ)

    def read(self, path: Path) -> dict[str, object]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{path}\n".encode())
        self._process.stdin.flush()
        begun, used = time.monotonic(), self._processor_time()
        while not self._selector.select(1.0):
            waited = time.monotonic() - begun
            if self._processor_time() - used > PATIENCE_S or waited > STANDSTILL_S:
                self.stop()
                return {"outcome": "hang"}
        line = self._process.stdout.readline()
        if not line:
            return {"outcome": "crash", "detail": f"exit code {self._process.wait()}"}
        return json.loads(line)

    def _processor_time(self) -> float:
        stat = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


def make(number: int, seed: int, seeds: dict[str, bytes], heavy: list[tuple[str, bytes]]) -> tuple[str, bytes]:
    """Name and content of file ``number``; the first ones are those that unpack to much."""
    chance = random.Random(f"{seed}-{number}")
    if number < len(heavy):
        return heavy[number]
    name = chance.choice(sorted(seeds))
    content = seeds[name]
    ending = SPECIMENS[name].ending
    if chance.random() < 0.02:
        ending = chance.choice(sorted({one.ending for one in SPECIMENS.values()}))
    if ending == ".nii.gz" and chance.random() < 0.5 and content[:2] == b"\x1f\x8b":
        return f"{name}{ending}", gzip.compress(damaged(gzip.decompress(content), "nifti", chance, seeds), 1)
    return f"{name}{ending}", damaged(content, name, chance, seeds)


def run(wanted: argparse.Namespace) -> dict[str, object]:
    count, seed, only, keep = wanted.count, wanted.seed, wanted.only, wanted.keep
    outcomes: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    found: list[dict[str, object]] = []
    slowest, peak, started = 0.0, 0, time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        seeds = {name: one.save(Path(folder), name).read_bytes() for name, one in SPECIMENS.items()}
        heavy = bombs(Path(folder)) if wanted.bombs else []
        worker = Worker()
        worker.read(_write(Path(folder), "first.png", seeds["png-grey"]))
        for number in range(count) if only is None else [only]:
            name, content = make(number, seed, seeds, heavy)
            path = _write(Path(folder), f"f{number}-{name}", content)
            answer = worker.read(path)
            took = float(str(answer.get("cpu_s", 0)))
            outcome = str(answer["outcome"])
            slowest, peak = max(slowest, took), max(peak, int(str(answer.get("peak_mib", 0))))
            outcomes[outcome] += 1
            kinds[name.split("-")[0]] += 1
            if outcome not in GOOD:
                found.append({"number": number, "name": name, **answer})
                sys.stderr.write(f"{json.dumps(found[-1])}\n")
                if keep is not None:
                    keep.mkdir(parents=True, exist_ok=True)
                    (keep / path.name).write_bytes(content)
            if outcome in ("crash", "hang", "memory") or int(str(answer.get("peak_mib", 0))) > 1024:
                worker.stop()
                worker = Worker()
            path.unlink()
        worker.stop()
    return {
        "files": sum(outcomes.values()), "seed": seed, "outcomes": dict(outcomes), "kinds": dict(kinds),
        "slowest_cpu_s": slowest, "peak_mib": peak, "minutes": round((time.monotonic() - started) / 60, 1),
        "found": found,
    }  # fmt: skip


def _write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int)
    parser.add_argument("--no-bombs", dest="bombs", action="store_false", help="leave out files that unpack to much")
    parser.add_argument("--keep", type=Path)
    wanted = parser.parse_args()
    result = run(wanted)
    sys.stdout.write(f"{json.dumps(result)}\n")
    return 1 if result["found"] else 0


if __name__ == "__main__":
    sys.exit(main())
