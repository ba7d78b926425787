"""The command line: what opens the window, exit codes, JSON on stdout, sentences on stderr, a light --help."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.main import get_group

from napari_adasam import cli
from napari_adasam.cli import study_texts
from napari_adasam.cli.program import names_of
from napari_adasam.domain.errors import InputError, StorageError
from napari_adasam.domain.records import Annotation, Frame, MaskOrigin
from napari_adasam.domain.settings import ModelSettings
from napari_adasam.domain.structures import MUSCLE_PRESET
from napari_adasam.files.store import Store
from napari_adasam.ui import screen

HEAVY = (
    "torch",
    "pooch",
    "requests",
    "torchvision",
    "timm",
    "segment_anything",
    "napari",
    "qtpy",
    "PySide6",
    "PyQt6",
    "scipy",
    "pydicom",
)
NO_FIGURES = {"steps": 0, "rank": 0, "views": 0, "feedback_heads": 9, "slices": -1}
COMMANDS = ("benchmark", "demo", "measure", "predict", "train", "evaluate", "models", "doctor")


@dataclass
class Ended:
    """How a run ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Run the command line in this process."""

    def run_it(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["napari-adasam", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        printed = capsys.readouterr()
        code = end.value.code
        assert code is None or isinstance(code, int)
        return Ended(code or 0, printed.out, printed.err)

    return run_it


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[list[Path]]:
    """What the window was opened on, instead of opening one."""
    calls: list[list[Path]] = []
    window = types.ModuleType("napari_adasam.ui.app")
    window.launch = calls.append  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "napari_adasam.ui.app", window)
    monkeypatch.setattr(cli.window, "need_window", lambda: None)
    return calls


@pytest.fixture
def put_in_place_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Replace a module that the command line imports when it needs it."""

    def put(name: str, **contents: Any) -> None:
        module = types.ModuleType(name)
        vars(module).update(contents)
        monkeypatch.setitem(sys.modules, name, module)
        monkeypatch.setattr("napari_adasam.services.torch_start.keep_triton_out", lambda: None)

    return put


@pytest.mark.parametrize("arguments", [["--help"], *([command, "--help"] for command in COMMANDS)])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from napari_adasam.cli import main\n"
        f"sys.argv = ['napari-adasam', *{arguments!r}]\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        f"sys.stderr.write(' '.join(name for name in {HEAVY!r} if name in sys.modules))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Usage" in ended.stdout
    assert ended.stderr == ""


@pytest.mark.parametrize(
    ("asked", "written"), [(None, '"name": "Łódź µ"'.encode()), ("cp1252", b'"name": "\\u0141\xf3d\\u017a \xb5"')]
)
def test_letters_that_the_systems_encoding_lacks_end_nothing(asked: str | None, written: bytes) -> None:
    code = (
        "import sys; sys.stdout.reconfigure(encoding='cp1252')\n"  # as on Windows, where it is not a console's
        "from napari_adasam import cli\n"
        "from napari_adasam.cli.program import show\n"
        "cli.app = lambda: show({'name': 'Łódź µ'})\n"
        "cli.main()"
    )
    surroundings = {name: value for name, value in os.environ.items() if name != "PYTHONIOENCODING"}
    surroundings |= {"PYTHONIOENCODING": asked} if asked else {}
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, env=surroundings)
    assert ended.returncode == 0, ended.stderr
    assert written in ended.stdout


def test_no_arguments_open_an_empty_window(run: Callable[..., Ended], opened: list[list[Path]]) -> None:
    assert run().code == 0
    assert opened == [[]]


def test_paths_open_the_window(run: Callable[..., Ended], opened: list[list[Path]], tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    picture.touch()
    assert run(str(tmp_path), str(picture)).code == 0
    assert opened == [[tmp_path, picture]]


def test_a_folder_with_the_name_of_a_command_can_be_opened(
    run: Callable[..., Ended], opened: list[list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "predict").mkdir()
    monkeypatch.chdir(tmp_path)
    assert run("./predict").code == 0
    assert opened == [[Path("predict")]]


def test_a_mistyped_command_is_not_taken_for_a_path(run: Callable[..., Ended], opened: list[list[Path]]) -> None:
    ended = run("predcit", "images")
    assert ended.code == 2
    assert 'Did you mean "napari-adasam predict"?' in ended.err
    assert opened == []


def test_without_a_screen_there_is_a_sentence(
    run: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(screen, "find_spec", lambda name: name)
    for name in screen.DISPLAYS:
        monkeypatch.delenv(name, raising=False)
    for command in (str(tmp_path), "benchmark"):
        ended = run(command)
        assert ended.code == 1
        assert ended.err.startswith("There is no screen here")
        assert "xvfb-run" in ended.err


def test_without_qt_there_is_a_sentence_that_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen, "find_spec", lambda name: None)
    assert 'pip install "napari-adasam[all]"' in screen.no_window_because()


@dataclass
class Report:
    """As ``predict_paths`` gives it."""

    frames: int = 2
    seconds_per_frame: float = 0.25
    device: str = "cpu"
    problems: tuple[str, ...] = ("broken.png cannot be read.",)


def test_predict_prints_json_and_names_broken_files(
    run: Callable[..., Ended], put_in_place_of: Callable[..., None], tmp_path: Path
) -> None:
    asked: list[Any] = []

    def predict_paths(
        inputs: Any, out: Path, settings: Any, advance: Callable[[int, int, str], None], names: Any
    ) -> Report:
        asked.append((inputs, out, settings.model.name, names))
        advance(1, 2, "a")
        return Report()

    put_in_place_of("napari_adasam.services.batch", predict_paths=predict_paths)
    ended = run("predict", "a.png", "more", "--out", str(tmp_path), "--model", "mobile_sam", "--structures", "3=lesion")
    assert ended.code == 0
    assert json.loads(ended.out) == {"frames": 2, "seconds_per_frame": 0.25, "device": "cpu"}
    assert "broken.png cannot be read." in ended.err
    assert asked == [([Path("a.png"), Path("more")], tmp_path, "mobile_sam", ((3, "lesion"),))]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("This is no image."), 2),
        (StorageError("The disk is full."), 1),
        (OSError(28, "No space left on device"), 1),
    ],
)
def test_errors_are_one_sentence_and_an_exit_code(
    error: Exception, code: int, run: Callable[..., Ended], put_in_place_of: Callable[..., None], tmp_path: Path
) -> None:
    def predict_paths(*_: object) -> Report:
        raise error

    put_in_place_of("napari_adasam.services.batch", predict_paths=predict_paths)
    ended = run("predict", "a.png", "--out", str(tmp_path))
    assert ended.code == code
    assert str(error) in ended.err
    assert "Traceback" not in ended.err
    assert ended.out == ""


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")])
def test_full_memory_is_one_sentence(
    error: Exception, run: Callable[..., Ended], put_in_place_of: Callable[..., None], tmp_path: Path
) -> None:
    def train_dataset(*_: object) -> dict[str, Any]:
        raise error

    put_in_place_of("napari_adasam.services.training", train_dataset=train_dataset, TrainOptions=TrainOptions)
    ended = run("train", str(tmp_path), "--out", "m.safetensors")
    assert ended.code == 1
    assert "needs more memory than is free" in ended.err
    assert "2.00 GiB" not in ended.err
    assert ended.out == ""


def test_a_torch_that_does_not_load_is_one_sentence(
    run: Callable[..., Ended], put_in_place_of: Callable[..., None], tmp_path: Path
) -> None:
    def predict_paths(*_: object) -> Report:
        raise ImportError("libcudart.so.13: cannot open shared object file", name="torch._C")

    put_in_place_of("napari_adasam.services.batch", predict_paths=predict_paths)
    ended = run("predict", "a.png", "--out", str(tmp_path))
    assert ended.code == 1
    assert "PyTorch, which computes the model, cannot be loaded" in ended.err
    assert "Traceback" not in ended.err


def test_a_bug_keeps_its_traceback(
    put_in_place_of: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def predict_paths(*_: object) -> Report:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    put_in_place_of("napari_adasam.services.batch", predict_paths=predict_paths)
    monkeypatch.setattr(sys, "argv", ["napari-adasam", "predict", "a.png", "--out", str(tmp_path)])
    with pytest.raises(RuntimeError, match="mat1"):
        cli.main()


def test_a_missing_option_is_bad_input(run: Callable[..., Ended]) -> None:
    ended = run("predict", "a.png")
    assert ended.code == 2
    assert "--out" in ended.err


@dataclass(frozen=True)
class TrainOptions:
    """As in ``services.training``."""

    labels: int | None
    model: Any
    train: Any
    names: tuple[tuple[int, str], ...]
    more_steps: bool
    image_labels: bool
    prompts: Any


def test_train_passes_its_options_on(
    run: Callable[..., Ended], put_in_place_of: Callable[..., None], tmp_path: Path
) -> None:
    asked: list[Any] = []

    def train_dataset(folder: Path, out: Path, options: TrainOptions, on_progress: Any, tell: Any) -> dict[str, Any]:
        asked.append((folder, out, options))
        return {"model": str(out), "labels": options.labels}

    put_in_place_of("napari_adasam.services.training", train_dataset=train_dataset, TrainOptions=TrainOptions)
    arguments = ("--out", "m.safetensors", "--labels", "5", "--method", "decoder", "--base", "vit_b", "--seed", "3")
    ended = run("train", str(tmp_path), *arguments, "--classifier", "gradcam")
    assert ended.code == 0
    assert json.loads(ended.out) == {"model": "m.safetensors", "labels": 5}
    folder, out, options = asked[0]
    assert (folder, out) == (tmp_path, Path("m.safetensors"))
    assert (options.labels, options.model.name, options.model.classifier) == (5, "vit_b", "gradcam")
    assert (options.train.method, options.train.seed) == ("decoder", 3)
    assert options.more_steps
    assert not options.image_labels
    ended = run("train", str(tmp_path), *arguments, "--set", "feedback=train", "--set", "dense=no", "--image-labels")
    assert ended.code == 0
    _, _, options = asked[1]
    assert options.train.recipe.feedback == "train"
    assert (options.train.method, options.prompts.use_dense, options.image_labels) == ("decoder", False, True)
    refused = run("train", str(tmp_path), *arguments, "--set", "colour=red")
    assert refused.code == 2
    assert "the names are rank" in refused.err


def test_the_study_of_labels_gets_methods_labels_seeds_and_changes(
    run: Callable[..., Ended], put_in_place_of: Callable[..., None], tmp_path: Path
) -> None:
    asked: list[dict[str, Any]] = []

    def study(folder: Path, options: dict[str, Any], advance: object) -> dict[str, Any]:
        asked.append(options)
        return {"rows": []}

    put_in_place_of(
        "napari_adasam.evaluation.run",
        StudyOptions=dict,
        STUDIES_BY_NAME={"labels": study},
        write_json=lambda *_: None,
        default_start=lambda folder: ModelSettings("mobile_sam", 512),
    )
    study_of_labels = ("evaluate", str(tmp_path), "--study", "labels")
    assert run(*study_of_labels).code == 0
    arguments = ("--methods", "adasam:ramp=no, unet", "--labels", "5,10", "--seeds", "2", "--json", "f.json")
    ended = run(*study_of_labels, *arguments, "--model", "sam.pt@256", "--validation", "--set", "rank=4", "--ablation")
    assert ended.code == 0
    assert (asked[0]["model"], asked[0]["methods"]) == (ModelSettings("mobile_sam", 512), ("start", "adasam"))
    given = asked[1]
    assert (given["model"], given["methods"]) == (ModelSettings("sam.pt", 256), ("adasam:ramp=no", "unet"))
    assert (given["labels"], given["seeds"], given["part"]) == ((5, 10), (0, 1), "validation")
    assert (given["train"].rank, given["ablation"], given["resume"]) == (4, True, Path("f.json"))
    assert [one["said"] for one in asked] == [set(), {"rank"}]
    assert run(*study_of_labels, "--set", "steps=40").code == 0
    assert asked[2]["said"] == {"steps"}
    assert run(*study_of_labels, "--labels", "few").code == 2


@pytest.mark.parametrize(("option", "known"), [("--method", "adasam, lora"), ("--classifier", "classmap, gradcam")])
def test_an_unknown_choice_is_refused_with_the_known_ones(run: Callable[..., Ended], option: str, known: str) -> None:
    ended = run("train", "data", "--out", "m.safetensors", option, "magic")
    assert ended.code == 2
    assert known in ended.err


def test_a_model_with_its_size() -> None:
    assert cli.studies.model_at("folder@home/sam.pt@512") == ModelSettings("folder@home/sam.pt", 512)
    assert cli.studies.model_at("adasam-us") == ModelSettings("adasam-us")
    with pytest.raises(InputError, match="no size in pixels"):
        cli.studies.model_at("sam.pt@large")


@pytest.mark.parametrize("text", ["1", "a=b", "1=", "=x"])
def test_names_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        names_of(text)


@pytest.mark.parametrize("text", ["1=belly,1=fascia", "1=belly,2=Belly"])
def test_a_value_or_a_name_that_is_given_twice_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="twice"):
        names_of(text)


def test_names_of_label_values() -> None:
    assert names_of("1=muscle belly, 2=aponeurosis") == ((1, "muscle belly"), (2, "aponeurosis"))


@pytest.mark.parametrize(("sound", "code"), [(True, 0), (False, 1)])
def test_doctor_fails_where_something_is_not_sound(
    sound: bool, code: int, run: Callable[..., Ended], put_in_place_of: Callable[..., None]
) -> None:
    put_in_place_of("napari_adasam.ui.doctor", examine=lambda: sound)
    assert run("doctor").code == code


def test_a_model_is_studied_with_the_whole_picture_where_that_is_asked_for(
    run: Callable[..., Ended], put_in_place_of: Callable[..., None], tmp_path: Path
) -> None:
    used: list[bool] = []

    def study(folder: Path, options: dict[str, Any], advance: object) -> dict[str, Any]:
        used.append(options["model"].use_sector)
        return {}

    put_in_place_of(
        "napari_adasam.evaluation.run", StudyOptions=dict, STUDIES_BY_NAME={"prompts": study}, write_json=None
    )
    for further in ([], ["--no-sector"]):
        assert run("evaluate", str(tmp_path), "--study", "prompts", *further).code == 0
    assert used == [True, False]


@pytest.mark.parametrize(
    ("option", "value", "named"),
    [
        ("--steps", "-3", "--steps"),
        ("--steps", "0", "--steps"),
        ("--seed", "-1", "--seed"),
        ("--labels", "0", "--labels"),
        *(("--set", f"{name}={value}", f"no value of {name}") for name, value in NO_FIGURES.items()),
    ],
)
def test_figures_that_no_training_can_have_are_bad_input(
    run: Callable[..., Ended], option: str, value: str, named: str
) -> None:
    ended = run("train", "data", "--out", "m.safetensors", option, value)
    assert ended.code == 2
    assert "Traceback" not in ended.err
    assert named in ended.err


@pytest.mark.parametrize("said", [("--steps", "40"), ("--set", "steps=40"), ("--set", "steps = 40")])
def test_steps_that_were_said_are_kept(
    said: tuple[str, str], run: Callable[..., Ended], put_in_place_of: Callable[..., None]
) -> None:
    asked: list[TrainOptions] = []

    def train_dataset(folder: Path, out: Path, options: TrainOptions, on_progress: Any, tell: Any) -> dict[str, Any]:
        asked.append(options)
        return {}

    put_in_place_of("napari_adasam.services.training", train_dataset=train_dataset, TrainOptions=TrainOptions)
    assert run("train", "data", "--out", "m.safetensors", "--labels", "50", *said).code == 0
    assert (asked[0].train.steps, asked[0].more_steps) == (40, False)


@pytest.fixture
def studied(put_in_place_of: Callable[..., None]) -> list[dict[str, Any]]:
    """The options of each study that was begun, and its ``folder``, instead of running it."""
    asked: list[dict[str, Any]] = []

    def study(folder: Path, options: dict[str, Any], advance: object) -> dict[str, Any]:
        asked.append(options | {"folder": folder})
        return {}

    put_in_place_of(
        "napari_adasam.evaluation.run",
        StudyOptions=dict,
        STUDIES_BY_NAME=dict.fromkeys(cli.studies.STUDIES, study),
        write_json=None,
        default_start=lambda folder: ModelSettings(),
    )
    return asked


@pytest.mark.parametrize(
    ("study", "given", "said"),
    [
        ("prompts", ("--held-back", "--validation"), "Give one of them"),
        ("prompts", ("--table", "t.md"), "has nothing for --table"),
        ("propagation", ("--table", "t.md"), "has nothing for --table"),
        ("labels", ("--plot", "p.svg"), "has nothing for --plot"),
        ("prompts", ("--set", "rank=4"), "does not use the setting rank"),
        ("propagation", ("--set", "prompt.presence=0.7"), "does not use the setting prompt.presence"),
        ("labels", ("--limit", "0"), "--limit"),
        ("labels", ("--seeds", "0"), "--seeds"),
    ],
)
def test_what_a_study_cannot_do_is_refused_before_it_begins(
    study: str, given: tuple[str, ...], said: str, run: Callable[..., Ended], studied: list[dict[str, Any]]
) -> None:
    ended = run("evaluate", "data", "--study", study, *given)
    assert ended.code == 2
    assert said in " ".join(ended.err.split())
    assert studied == []


def test_where_a_result_cannot_be_written_no_study_begins(
    run: Callable[..., Ended], studied: list[dict[str, Any]], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    refused: tuple[tuple[Path, ...], ...] = (
        (tmp_path,),
        (tmp_path / "index.csv",),
        (tmp_path / "a.md", tmp_path / "a.md"),
        (tmp_path / "file" / "a.json",),
    )
    (tmp_path / "index.csv").write_text("id\n")
    for paths in refused:
        options = [word for option, path in zip(("--json", "--table"), paths, strict=False) for word in (option, path)]
        ended = run("evaluate", str(tmp_path), "--study", "labels", *map(str, options))
        assert (ended.code, ended.out, studied) == (2, "", [])
        assert len(ended.err.splitlines()) == 1
    assert (tmp_path / "index.csv").read_text() == "id\n"


def test_the_folder_of_a_result_is_made(
    run: Callable[..., Ended], put_in_place_of: Callable[..., None], tmp_path: Path
) -> None:
    put_in_place_of(
        "napari_adasam.evaluation.run",
        StudyOptions=dict,
        STUDIES_BY_NAME={"prompts": lambda *_: {"rows": []}},
        write_json=lambda path, result: path.write_text("{}"),
    )
    assert run("evaluate", "data", "--study", "prompts", "--json", str(tmp_path / "a" / "b.json")).code == 0
    assert (tmp_path / "a" / "b.json").is_file()


def test_a_training_is_not_written_over_its_base(
    run: Callable[..., Ended], put_in_place_of: Callable[..., None], tmp_path: Path
) -> None:
    base = tmp_path / "base.pt"
    base.write_bytes(b"weights")
    put_in_place_of("napari_adasam.services.training", train_dataset=None, TrainOptions=TrainOptions)
    ended = run("train", "data", "--base", str(base), "--out", str(base))
    assert (ended.code, base.read_bytes()) == (2, b"weights")
    assert "Give another name" in ended.err
    assert run("train", "data", "--out", str(tmp_path)).code == 2


def test_models_of_one_study_see_the_same_part_of_the_picture(
    run: Callable[..., Ended], studied: list[dict[str, Any]]
) -> None:
    assert run("evaluate", "data", "--study", "prompts", "--no-sector", "--against", "other@512").code == 0
    assert studied[0]["against"] == (ModelSettings("other", 512, use_sector=False),)


def test_the_study_of_prompts_gets_settings_of_the_prompt(
    run: Callable[..., Ended], studied: list[dict[str, Any]]
) -> None:
    assert run("evaluate", "data", "--study", "prompts", "--set", "prompt.presence=0.9").code == 0
    assert studied[0]["prompts"].presence == 0.9


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The layout of a data set; what lies in its files is no picture."""
    for name in ("images", "labels"):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "a.png").write_bytes(b"precious")
    (tmp_path / "data" / "index.csv").write_text("id,patient\na,1\n")
    return tmp_path / "data"


@pytest.fixture
def session(tmp_path: Path) -> Path:
    """A folder that is taken for a session."""
    (tmp_path / "session" / "masks").mkdir(parents=True)
    (tmp_path / "session" / "session.sqlite").write_bytes(b"precious")
    return tmp_path / "session"


@pytest.fixture
def trained(put_in_place_of: Callable[..., None]) -> list[TrainOptions]:
    """The options of each training that was begun, instead of running it."""
    asked: list[TrainOptions] = []

    def train_dataset(folder: Path, out: Path, options: TrainOptions, on_progress: Any, tell: Any) -> dict[str, Any]:
        asked.append(options)
        return {}

    put_in_place_of("napari_adasam.services.training", train_dataset=train_dataset, TrainOptions=TrainOptions)
    return asked


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_another_data_set_is_tested_on(
    run: Callable[..., Ended], studied: list[dict[str, Any]], data: Path, tmp_path: Path
) -> None:
    """The study labels learns on the first; the others take it in place of the first."""
    other = shutil.copytree(data, tmp_path / "other")
    for study in ("labels", "prompts", "session"):
        assert run("evaluate", str(data), "--study", study, "--test", str(other)).code == 0
    assert [(one["folder"], one.get("test")) for one in studied] == [(data, other), (other, None), (other, None)]
    ended = run("evaluate", str(data), "--study", "labels", "--volumes", "--test", str(other))
    assert (ended.code, len(studied)) == (2, 3)
    assert "Leave --test out" in ended.err


EVALUATE = ("evaluate", "DATA", "--study", "prompts")


@pytest.mark.parametrize("name", ["images/a.png", "labels/a.png", "index.csv"])
@pytest.mark.parametrize(
    "command",
    [
        (*EVALUATE, "--json"),
        ("evaluate", "elsewhere", "--test", "DATA", "--study", "labels", "--table"),
        ("train", "DATA", "--out"),
    ],
)
def test_nothing_is_written_over_a_file_of_the_data_set(
    command: tuple[str, ...],
    name: str,
    run: Callable[..., Ended],
    studied: list[dict[str, Any]],
    trained: list[TrainOptions],
    data: Path,
) -> None:
    before = contents(data)
    ended = run(*(str(data) if word == "DATA" else word for word in command), str(data / name))
    assert (ended.code, ended.out, studied, trained) == (2, "", [], [])
    assert "Give another name" in ended.err
    assert contents(data) == before


def test_no_result_is_written_over_a_model_that_is_measured(
    run: Callable[..., Ended], studied: list[dict[str, Any]], data: Path, tmp_path: Path
) -> None:
    (tmp_path / "m.safetensors").write_bytes(b"precious")
    for option in ("--model", "--against", "--base"):
        words = ("evaluate", data, "--study", "prompts", option, tmp_path / "m.safetensors", "--json")
        assert run(*map(str, words), str(tmp_path / "m.safetensors")).code == 2
    assert studied == []
    assert (tmp_path / "m.safetensors").read_bytes() == b"precious"


@pytest.mark.parametrize("name", ["session.sqlite", "masks/new", "new.json"])
@pytest.mark.parametrize(
    "command",
    [(*EVALUATE, "--json"), ("train", "DATA", "--out"), ("models", "list", "--json"), ("measure", "x", "--out")],
)
def test_nothing_is_written_into_a_session(
    command: tuple[str, ...],
    name: str,
    run: Callable[..., Ended],
    studied: list[dict[str, Any]],
    trained: list[TrainOptions],
    session: Path,
) -> None:
    before = contents(session)
    ended = run(*command, str(session / name))
    assert (ended.code, ended.out, studied, trained) == (2, "", [], [])
    assert "session" in ended.err.splitlines()[-1]
    assert contents(session) == before


def test_a_database_of_a_session_that_is_still_empty_is_not_written_over(
    run: Callable[..., Ended], tmp_path: Path
) -> None:
    assert run("models", "list", "--json", str(tmp_path / "session.sqlite")).code == 2
    assert not (tmp_path / "session.sqlite").exists()


@pytest.mark.parametrize(
    ("given", "said"), [(("--learned", "x.safetensors"), "--blend"), (("--settle", "5"), "--blend")]
)
def test_a_bundled_model_that_nothing_would_be_written_of_is_refused(
    given: tuple[str, ...], said: str, run: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_adasam.services.torch_start.keep_triton_out", lambda: None)
    ended = run("train-bundled", "data", "--base", "b.pt", "--out", "m.safetensors", *given)
    assert ended.code == 2
    assert said in ended.err
    assert "Nothing was" in ended.err


@pytest.mark.parametrize(
    ("study", "given", "said"),
    [
        *(
            (study, given, f"does not use {given[0]}")
            for study, options in {
                "prompts": ("--orders file", "--every 3", "--methods unet", "--gated", "--ablation", "--volumes"),
                "labels": ("--against x", "--no-clicks", "--frames 9", "--static", "--orders file"),
                "session": ("--no-clicks", "--against x", "--labels 5", "--boxes", "--frames 9"),
                "propagation": ("--no-clicks", "--seeds 2", "--frames 9", "--methods unet", "--against x"),
            }.items()
            for given in map(str.split, options)
        ),
        ("labels", ("--boxes",), "--volumes"),
        ("labels", ("--methods", " , "), "no method"),
        ("labels", ("--set", "seed=3"), "does not use the setting seed"),
        ("session", ("--set", "seed=3"), "does not use the setting seed"),
        ("prompts", ("--input-size", "0"), "--input-size"),
        ("prompts", ("--model", "m@0"), "no size in pixels"),
    ],
)
def test_what_a_study_does_not_use_is_told(
    study: str, given: tuple[str, ...], said: str, run: Callable[..., Ended], studied: list[dict[str, Any]], data: Path
) -> None:
    ended = run("evaluate", str(data), "--study", study, *given)
    assert (ended.code, ended.out, studied) == (2, "", [])
    assert said in " ".join(ended.err.split())


@pytest.mark.parametrize("given", ["--limit 3", "--held-back", "--validation", "--structures 1=a", "--methods unet"])
def test_what_drawn_clips_do_not_use_is_told(
    given: str,
    run: Callable[..., Ended],
    studied: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = run("evaluate", "phantom", "--study", "propagation", *given.split())
    assert (ended.code, studied) == (2, [])
    assert f"does not use {given.split()[0]}" in " ".join(ended.err.split())
    assert run("evaluate", "phantom", "--study", "propagation", "--seeds", "2", "--frames", "24").code == 0


@pytest.mark.parametrize(
    ("study", "given"),
    [
        ("prompts", "--no-clicks --against x --limit 3 --held-back --structures 1=a --no-sector"),
        ("labels", "--methods unet --labels 5 --volumes --boxes --seeds 2 --gated --ablation --limit 3 --held-back"),
        ("session", "--orders file --static --every 3 --seeds 2 --limit 3 --validation"),
        ("propagation", "--limit 3 --held-back --structures 1=a"),
    ],
)
def test_what_a_study_uses_is_taken(
    study: str,
    given: str,
    run: Callable[..., Ended],
    studied: list[dict[str, Any]],
    data: Path,
) -> None:
    assert run("evaluate", str(data), "--study", study, *given.split()).code == 0
    assert len(studied) == 1


def options_of(command: str) -> dict[str, str]:
    """The help of each option, by its name."""
    group = get_group(cli.app)
    return {one.name or "": getattr(one, "help", None) or "" for one in group.commands[command].params}


def test_the_help_says_what_options_of_studies_are_for() -> None:
    from napari_adasam.evaluation.methods import METHODS

    helps = options_of("evaluate")
    assert all(name in helps["methods"] for name in METHODS)
    assert "study prompts" in helps["against"]
    assert "study prompts" in helps["clicks"]
    assert all(what in helps["limit"] for what in ("test", "volumes", "pass"))
    assert "learns on DATASET and tests on this one" in helps["test"]


def test_every_option_of_a_study_is_of_some_study() -> None:
    known = set(options_of("evaluate"))
    assert set(study_texts.USED_BY) <= known
    whole = {"dataset", "study", "model", "base", "test", "json_file", "input_size", "sector"}
    assert known - set(study_texts.USED_BY) - whole == {"changes", "table", "plot"}


@pytest.mark.parametrize(
    "given",
    [("--seed", "1", "--set", "seed=2"), ("--steps", "5", "--set", "steps=6"), ("--seed", "0", "--set", "seed=2")],
)
def test_a_figure_that_a_training_is_given_twice_is_refused(
    given: tuple[str, ...], run: Callable[..., Ended], trained: list[TrainOptions]
) -> None:
    ended = run("train", "data", "--out", "m.safetensors", *given)
    assert (ended.code, trained) == (2, [])
    assert "given twice" in ended.err
    assert run("train", "data", "--out", "m.safetensors", "--set", given[3]).code == 0


@pytest.mark.parametrize("text", ["0=a", "256=a", "1=a,300=b", f"{'9' * 5000}=a"])
def test_names_of_what_is_no_label_value_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="1 to 255"):
        names_of(text)


@pytest.mark.parametrize("table", [None, "id,age\na,3\n", "id,patient\n"])
def test_a_table_that_names_no_groups_is_told(
    table: str | None,
    run: Callable[..., Ended],
    studied: list[dict[str, Any]],
    trained: list[TrainOptions],
    data: Path,
    tmp_path: Path,
) -> None:
    commands = (("evaluate", str(data), "--study", "prompts"), ("train", str(data), "--out", str(tmp_path / "m")))
    for command in commands:
        assert "names no groups" not in run(*command).err
    (data / "index.csv").unlink()
    if table is not None:
        (data / "index.csv").write_text(table)
    for command in commands:
        ended = run(*command)
        assert ended.code == 0
        assert "index.csv names no groups" in ended.err


def reader(folder: Path, shift: int) -> Path:
    """A session with one accepted frame, the same in each."""
    store = Store.create(folder)
    labels = np.zeros((20, 30), np.uint8)
    labels[4:9, 5 + shift : 12] = 1
    store.save_frames([Frame("f", "one.png", 0, 20, 30, "one")])
    store.save_structures(MUSCLE_PRESET)
    store.save_annotation(Annotation("f", labels, {1: MaskOrigin.DRAWN}, {1: 1.0}, 2.0, ""))
    store.close()
    return folder


@pytest.mark.parametrize(
    ("out", "third"),
    [
        ("ag", "two"),
        ("ag", "two/deeper"),
        ("two", "three"),
        ("one/ag", "three"),
        ("ag", "ag"),
        ("file", "t"),
        ("a", "file"),
    ],
)
def test_agreement_looks_at_both_folders_before_it_writes(
    out: str, third: str, run: Callable[..., Ended], tmp_path: Path
) -> None:
    one, two = reader(tmp_path / "one", 0), reader(tmp_path / "two", 2)
    (tmp_path / "file").touch()
    before = contents(tmp_path)
    ended = run("agreement", str(one), str(two), "--out", str(tmp_path / out), "--adjudicate", str(tmp_path / third))
    assert (ended.code, ended.out, len(ended.err.splitlines())) == (2, "", 1)
    assert contents(tmp_path) == before
    good = ("--out", str(tmp_path / "good"), "--adjudicate", str(tmp_path / "new"))
    assert run("agreement", str(one), str(two), *good).code == 0


def test_a_path_that_may_not_be_read_is_one_sentence(
    run: Callable[..., Ended], opened: list[list[Path]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "a.png").touch()
    monkeypatch.setattr(os, "access", lambda _, mode: mode == os.R_OK)
    closed = run(str(tmp_path))

    def shut(self: Path, **_: object) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "exists", shut)
    for ended in (closed, run(str(tmp_path / "a.png"))):
        assert (ended.code, opened) == (2, [])
        assert "may not be read" in ended.err
        assert "Errno" not in ended.err
