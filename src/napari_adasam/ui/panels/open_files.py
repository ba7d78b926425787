"""Step 1: take images in."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import partial
from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QGridLayout, QLabel, QPushButton, QWidget

from napari_adasam.services.annotator import Annotator
from napari_adasam.ui.by_keys import by_tab
from napari_adasam.ui.commands import Commander
from napari_adasam.ui.section import allow, reason_label

FILE_FILTER = (
    "Ultrasound images (*.png *.jpg *.jpeg *.tif *.tiff *.dcm *.dicom *.ima *.nii *.nii.gz *.avi *.mp4 *.m4v);;"
    "All files (*)"
)
NAMED = 5
COMING = "The sample images are on their way."
LOOKING = "Only to look at: the line at the top says why."


class OpenPanel(QWidget):
    """Files, folders, samples, images already open in napari, and where the session is kept."""

    def __init__(self, annotator: Annotator, commander: Commander, sample_paths: Callable[[], Sequence[Path]]) -> None:
        super().__init__()
        self._annotator = annotator
        self._commander = commander
        self._sample_paths = sample_paths
        self._napari_paths: tuple[Path, ...] = ()
        self._wants_samples = False
        self._drop_where = "onto this panel"
        self.files = _button("Open files…", "PNG, JPEG, TIFF, DICOM, NIfTI, AVI or MP4", self._ask_files)
        self.folder = _button("Open folder…", "All images of a folder, or a session saved before", self._ask_folder)
        self.samples = _button("Sample images", "Drawn phantom images, to try the program", self._open_samples)
        self.take = _button("Take the images open in napari", "Use them in this session", self._take_napari)
        self.save = _button("Keep session in…", "Choose the folder that keeps your work", self._ask_session_folder)
        tip = "Make a session for a second reader: the same images, nothing of your outlines"
        self.second = _button("Second reader…", tip, self._ask_second_folder)
        self.kept = QLabel()
        self.kept.setWordWrap(True)
        self.kept.setTextFormat(Qt.TextFormat.PlainText)  # names of folders may look like HTML
        self.reason = reason_label()
        layout = QGridLayout(self)
        layout.setContentsMargins(4, 0, 4, 4)
        layout.setSpacing(4)
        layout.addWidget(self.files, 0, 0)
        layout.addWidget(self.folder, 0, 1)
        layout.addWidget(self.samples, 1, 0)
        layout.addWidget(self.save, 1, 1)
        layout.addWidget(self.take, 2, 0, 1, 2)
        layout.addWidget(self.second, 3, 0)
        layout.addWidget(self.kept, 4, 0, 1, 2)
        self.take.hide()
        self.refresh()

    def offer(self, paths: Sequence[Path]) -> None:
        """Offer to take in the files behind images that are open in napari."""
        self._napari_paths = tuple(paths)
        self.take.setVisible(bool(paths))
        folders = [path for path in paths if path.is_dir()]
        one, several = ("folder", "folders") if len(folders) == len(paths) else ("image", "images")
        self.take.setText(f"Take in the {f'{len(paths)} {several}' if len(paths) > 1 else one} open in napari")
        self.take.setToolTip("Use in this session, and show here: " + ", ".join(path.name for path in paths[:NAMED]))

    def drops_go_anywhere(self) -> None:
        """The whole window takes what is dropped, and not this panel alone."""
        self._drop_where = "anywhere on this window"
        self.refresh()

    def refresh(self) -> None:
        """Say where the session is kept, or that it is not."""
        self._wants_samples = self._wants_samples and self._annotator.busy
        allow(self.samples, COMING if self._wants_samples else "")
        allow(self.save, self._annotator.why_not("save_as"))
        folder = self._annotator.folder
        allow(self.second, self._annotator.why_not("second_reader"))
        if self._annotator.only_to_look_at:
            self.kept.setText(LOOKING)
            self.kept.setToolTip(self._annotator.only_to_look_at)
        elif folder is not None:
            by_itself = "Kept on this computer by itself; “Keep session in…” puts it where you like."
            self.kept.setText(by_itself if self._annotator.kept_by_itself else f"Kept in {folder.name}")
            self.kept.setToolTip(str(folder))
        elif self._annotator.session.frames:
            self.kept.setText("Not kept on disk yet: choose a folder with “Keep session in…”.")
        else:
            self.kept.setText(f"You can also drop files or folders {self._drop_where}.")

    def _ask_files(self) -> None:
        self._annotator.warm_up()
        names, _ = QFileDialog.getOpenFileNames(self, "Open ultrasound images", "", FILE_FILTER)
        self._commander.open([Path(name) for name in names])

    def _ask_folder(self) -> None:
        self._annotator.warm_up()
        name = QFileDialog.getExistingDirectory(self, "Open a folder of images, or a session")
        self._commander.open([Path(name)] if name else [])

    def _open_samples(self) -> None:
        """Once: the second press of a double click is no other wish."""
        if not self._wants_samples:
            self._annotator.warm_up(self._draw_samples)
            self._wants_samples = True
            self.refresh()

    def _draw_samples(self) -> Generator[None, None, Callable[[], None]]:
        """The job, on the lane: at the first use the images are drawn, for seconds. What it returns opens them."""
        paths = self._sample_paths()
        yield
        return partial(self._commander.open, paths)

    def _take_napari(self) -> None:
        paths = self._napari_paths
        self.offer(())  # what is not taken in is offered again when the next images are opened
        self._commander.open(paths)

    def _ask_second_folder(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "Choose an empty folder for the second reader")
        if name and self._commander.attempt(lambda: self._annotator.second_reader(Path(name))):
            self._commander.problem.emit(f"The second reader opens {name}. Agreement: napari-adasam agreement.")

    def _ask_session_folder(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "Choose a folder for this session")
        if name:
            self._commander.attempt(lambda: self._annotator.start_keeping(Path(name)))
            self.refresh()


def _button(text: str, tip: str, clicked: Callable[[], None]) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    by_tab(button)
    button.clicked.connect(clicked)
    return button
