"""The one line that always says what is going on, how far, how long still, and how to stop it."""

from __future__ import annotations

from collections.abc import Callable, Collection

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QGridLayout, QLabel, QPushButton, QToolButton, QWidget

from napari_adasam.services.activity import Activity
from napari_adasam.services.sentences import ForNow
from napari_adasam.ui.busy_bar import BusyBar
from napari_adasam.ui.by_keys import by_tab
from napari_adasam.ui.section import allow

Reasons = Callable[[], Collection[str]]
LOOKED_AT_MS = 2000


def duration_words(seconds: float) -> str:
    """Seconds as people say them, rounded."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min"


def activity_words(activity: Activity, busy: bool) -> str:
    """Text in one line; with the step and the time left while something is going on."""
    words = activity.text or "Ready"
    steps = f"{activity.done} of {activity.total}"
    if activity.total and busy and steps not in words:
        words += f" · {steps}"
    if activity.seconds_left is not None:
        words += f" · about {duration_words(activity.seconds_left)} left"
    return words


class StatusLine(QWidget):
    """Status text, bar and Stop button; above them a notice for what needs reading."""

    def __init__(self) -> None:
        super().__init__()
        self.notice = QLabel()
        self.notice.setObjectName("notice")
        self.notice.setWordWrap(True)
        self.notice.setTextFormat(Qt.TextFormat.PlainText)  # names of structures and files may look like HTML
        self.notice.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.dismiss = QToolButton()
        self.dismiss.setText("✕")
        self.dismiss.setToolTip("Close this message")
        self.dismiss.setAccessibleName("Close this message")
        by_tab(self.dismiss)
        self.dismiss.clicked.connect(self.clear_notice)
        self.text = QLabel("Ready")
        self.text.setWordWrap(True)
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.bar = BusyBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(5)
        policy = self.bar.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.bar.setSizePolicy(policy)
        self._reasons: Reasons = tuple
        self._again = QTimer(self)
        self._again.setInterval(LOOKED_AT_MS)
        self._again.timeout.connect(self._look_again)
        self.stop = QPushButton("Stop")
        by_tab(self.stop)
        layout = QGridLayout(self)
        layout.setContentsMargins(2, 2, 2, 2)
        layout.setVerticalSpacing(2)
        layout.addWidget(self.notice, 0, 0)
        layout.addWidget(self.dismiss, 0, 1, Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignRight)
        layout.addWidget(self.text, 1, 0)
        layout.addWidget(self.stop, 1, 1, 2, 1)
        layout.addWidget(self.bar, 2, 0)
        layout.setColumnStretch(0, 1)
        self.clear_notice()
        self.show_activity(Activity("Ready"), busy=False)

    def show_activity(self, activity: Activity, busy: bool) -> None:
        """Say what is going on; ``busy`` moves the bar where the length is not known."""
        self.text.setText(activity_words(activity, busy))
        self.bar.show_progress(activity.done, activity.total, busy)
        self.stop.setProperty("tip", "Stop it; nothing accepted is lost")
        allow(self.stop, "" if activity.cancellable else "Nothing to stop now")

    def show_notice(self, sentence: str, reasons: Reasons = tuple) -> None:
        """Show a sentence until it is closed or replaced; one of the ``reasons`` of now while it is one of them.

        One that is for now goes with the image on the screen.
        """
        self.notice.setText(sentence)
        self._for_now = isinstance(sentence, ForNow)
        self.notice.show()
        self.dismiss.show()
        self._reasons = reasons
        if sentence in reasons():
            self._again.start()
        else:
            self._again.stop()

    def forget_what_is_past(self, _frame_id: str = "") -> None:
        """Another image is on the screen: what was said of the one before it goes."""
        if self._for_now:
            self.clear_notice()

    def _look_again(self) -> None:
        if self.notice.text() not in self._reasons():
            self.clear_notice()

    def clear_notice(self) -> None:
        """Take the notice away."""
        self._for_now = False
        self._again.stop()
        self.notice.hide()
        self.dismiss.hide()
