"""The file beside a model that is being made: when it is written, and what is done about one that is there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from napari_adasam.domain.errors import InputError, ModelError
from napari_adasam.services import part_file
from napari_adasam.services.part_file import EVERY_S, SHARE, WORDS, PartFile, part_of

OF = dict.fromkeys(WORDS, "the same")


class Counting:
    """In place of a training: it counts its steps."""

    def __init__(self, step: int = 0) -> None:
        self.step, self.whole = step, True

    def capture(self) -> dict[str, Any] | None:
        return {"losses": [0.5] * self.step, "weights": torch.ones(3)} if self.whole else None

    def restore(self, captured: dict[str, Any]) -> None:
        if captured["weights"].shape != (3,):
            raise ValueError("expected three")
        self.step = len(captured["losses"])


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "m.safetensors"


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time; it is another one where it is changed."""
    now = [1000.0]
    monkeypatch.setattr(part_file.time, "monotonic", lambda: now[0])
    return now


def broken_off(out: Path, told: list[str], step: int, error: BaseException) -> None:
    """A training that comes to a step, and then to an error."""
    with PartFile(out, OF, told.append) as part:
        training = Counting()
        part.take_up(training)  # type: ignore[arg-type]
        training.step = step
        raise error


def stopped(out: Path, step: int = 3) -> bytes:
    """What a training leaves that was stopped."""
    with pytest.raises(KeyboardInterrupt):
        broken_off(out, [], step, KeyboardInterrupt())
    return part_of(out).read_bytes()


def gone_on(out: Path, told: list[str], of: dict[str, str] = OF) -> int:
    """From which step one goes on."""
    with PartFile(out, of, told.append) as part:
        training = Counting()
        part.take_up(training)  # type: ignore[arg-type]
    return training.step


def test_it_is_written_once_a_minute_and_not_without_a_new_step(out: Path, clock: list[float]) -> None:
    with PartFile(out, OF, print) as part:
        training = Counting()
        part.keep_if_due()  # nothing trains yet
        part.take_up(training)  # type: ignore[arg-type]
        sizes = []
        for step, seconds in ((0, EVERY_S + 1), (1, 1), (2, EVERY_S - 2), (3, 1), (3, EVERY_S), (4, 0)):
            training.step, clock[0] = step, clock[0] + seconds
            part.keep_if_due()
            sizes.append(kept_step(out))
    assert sizes == [None, 1, 1, 1, 3, 3]


def kept_step(out: Path) -> int | None:
    return len(torch.load(part_of(out))["training"]["losses"]) if part_of(out).exists() else None


def test_where_writing_takes_long_it_is_done_less_often(
    out: Path, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(content: object, file: object) -> None:
        clock[0] += 10

    monkeypatch.setattr(torch, "save", slow)
    with PartFile(out, OF, print) as part:
        training = Counting(1)
        part.take_up(training)  # type: ignore[arg-type]
        training.step = 2
        part.keep()
        written = clock[0]
        for step, seconds in ((3, 10 / SHARE - 1), (4, 10 / SHARE + 1)):
            training.step, clock[0] = step, written + seconds
            before = clock[0]
            part.keep_if_due()
            assert (clock[0] > before) is (step == 4)


def test_it_is_gone_on_from_and_removed(out: Path, told: list[str]) -> None:
    stopped(out, step=7)
    assert gone_on(out, told) == 7
    assert told == [f"Going on from step 7, where the same training was stopped ({part_of(out)})."]
    assert list(out.parent.iterdir()) == []
    assert gone_on(out, told) == 0


def test_the_time_before_counts(out: Path, clock: list[float]) -> None:
    def later(step: int) -> None:
        with PartFile(out, OF, print) as part:
            training = Counting()
            part.take_up(training)  # type: ignore[arg-type]
            training.step = step
            clock[0] += 40
            raise KeyboardInterrupt

    for step in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            later(step)
    with PartFile(out, OF, print) as part:
        assert part.seconds == 80


@pytest.mark.parametrize(
    ("step", "error", "said"),
    [
        (4, KeyboardInterrupt(), "What was learned until step 4 is in {}: the same command goes on from there."),
        (4, OSError("a share is gone"), "What was learned until step 4 is in {}: the same command goes on from there."),
        (0, KeyboardInterrupt(), "Nothing was kept of it: the same command begins anew."),
        (0, InputError("an image is gone"), None),
        (4, ModelError("Learning went astray"), None),
    ],
)
def test_what_is_said_where_one_is_broken_off(
    out: Path, told: list[str], step: int, error: BaseException, said: str | None
) -> None:
    with pytest.raises(type(error)):
        broken_off(out, told, step, error)
    assert told == ([] if said is None else [said.format(part_of(out))])
    assert part_of(out).exists() is (said is not None and step > 0)


def test_stopped_before_it_has_taken_up_anything_the_file_stays(out: Path, told: list[str]) -> None:
    before = stopped(out)
    with pytest.raises(KeyboardInterrupt), PartFile(out, OF, told.append):
        raise KeyboardInterrupt
    assert part_of(out).read_bytes() == before
    assert told[-1].startswith("What was learned until step 3 is in")


@pytest.mark.parametrize("name", WORDS)
def test_one_of_something_else_is_refused_and_stays(out: Path, told: list[str], name: str) -> None:
    before = stopped(out)
    with pytest.raises(InputError, match=f"this one has other {WORDS[name]}\\. Nothing was done"):
        gone_on(out, told, OF | {name: "another"})
    assert (part_of(out).read_bytes(), told) == (before, [])
    assert gone_on(out, told) == 3


def test_weights_that_do_not_fit_are_refused_too(out: Path, told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Counting, "capture", lambda self: {"losses": [0.0], "weights": torch.ones(4)})
    before = stopped(out)
    with pytest.raises(InputError, match="has other weights to start from"):
        gone_on(out, told)
    assert part_of(out).read_bytes() == before
    assert "goes on from there" not in told[-1]


def test_a_damaged_one_is_told_of_and_begun_anew(out: Path, told: list[str]) -> None:
    whole = stopped(out)
    damaged = [whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :] for at in range(0, len(whole), 7)]
    damaged += [whole[: len(whole) // 2], b"", b"nonsense", whole + whole[:40]]
    refused = 0
    for content in damaged:
        part_of(out).write_bytes(content)
        told.clear()
        step = gone_on(out, told)
        refused += step == 0
        assert step in (0, 3), "what is between the tensors of a file may change"
        assert told[0].endswith("is damaged. This one begins anew." if step == 0 else f"({part_of(out)}).")
    assert refused > len(damaged) / 2


def test_a_byte_of_a_tensor_that_has_changed_is_noticed(out: Path, told: list[str]) -> None:
    whole = stopped(out)
    at = whole.index(bytes(torch.ones(3).numpy().tobytes()))
    part_of(out).write_bytes(whole[: at + 5] + b"\x01" + whole[at + 6 :])
    assert gone_on(out, told) == 0


class Harm:
    """What is unpickled runs a command."""

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return os.mkdir, ("harmed",)


def test_code_in_it_is_not_run(out: Path, told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(out.parent)
    torch.save({"of": OF, "seconds": 1.0, "training": {"losses": [Harm()]}}, part_of(out))
    assert gone_on(out, told) == 0
    assert told == [f"{part_of(out)}, which a stopped training has left, is damaged. This one begins anew."]
    assert not Path("harmed").exists()


@pytest.mark.parametrize("how_torch_puts_it", [None, RuntimeError("unexpected pos 64 vs 0")])
def test_where_it_cannot_be_written_learning_goes_on(
    out: Path, told: list[str], monkeypatch: pytest.MonkeyPatch, how_torch_puts_it: Exception | None
) -> None:
    real, full = torch.save, [True]

    def save(content: object, file: Any) -> None:
        file.write(b"a beginning")
        try:
            if full[0]:
                raise OSError(28, "No space left on device")
        except OSError:
            if how_torch_puts_it is not None:
                raise how_torch_puts_it  # noqa: B904 - it does
            raise
        file.seek(0)
        file.truncate()
        real(content, file)

    monkeypatch.setattr(torch, "save", save)
    with PartFile(out, OF, told.append) as part:
        training = Counting()
        part.take_up(training)  # type: ignore[arg-type]
        for step in (1, 2):
            training.step = step
            part.keep()
        assert len(told) == 1, "once"
        assert "could not be written (No space left on device)" in told[0]
        assert all(one.name.startswith(".m.safetensors.lock") for one in out.parent.iterdir())
        full[0] = False
        part.keep()
        assert kept_step(out) == 2
        full[0], training.step = True, 3
        part.keep()
        assert (kept_step(out), len(told)) == (2, 2)


def test_one_command_at_a_time_makes_a_model(out: Path, told: list[str]) -> None:
    with PartFile(out, OF, print):
        with pytest.raises(InputError, match=r"Another command makes .*m\.safetensors now"):
            gone_on(out, told)
        assert gone_on(out.with_name("another.safetensors"), told) == 0
    assert gone_on(out, told) == 0
    assert list(out.parent.iterdir()) == []


def test_nothing_stays_locked_behind_one_that_is_refused(out: Path, told: list[str]) -> None:
    stopped(out)
    with pytest.raises(InputError):
        gone_on(out, told, OF | {"device": "another"})
    assert list(out.parent.iterdir()) == [part_of(out)]


def test_what_a_killed_process_has_left_of_writing_is_removed(out: Path, told: list[str]) -> None:
    stopped(out)
    left, others = out.with_name(".m.safetensors.part.x1.part"), out.with_name(".n.safetensors.part.x2.part")
    for path in (left, others):
        path.write_bytes(b"a beginning")
    assert gone_on(out, told) == 3
    assert list(out.parent.iterdir()) == [others]
