"""The report of ``doctor``: what services find, and what Qt and OpenGL say in a process of their own.

A broken GL driver can end a process, so it is asked in another one: ``python -m napari_adasam.ui.doctor``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

from napari_adasam.services.doctor import Finding, findings
from napari_adasam.ui.screen import no_window_because

PATIENCE_S = 60


def examine() -> bool:
    """Print the report to stdout; whether everything is sound."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("", "topic", "what", title="napari-adasam doctor")
    table.add_column("found", overflow="fold")
    sound = True
    for finding in (*window(), *findings()):
        sound &= finding.sound
        fine = "ok" if finding.looked else "–"
        mark = Text(fine, "green") if finding.sound else Text("!!", "bold red")
        table.add_row(mark, finding.topic, finding.what, Text(finding.found))
    Console().print(table)
    return sound


def window() -> Iterator[Finding]:
    """Qt's binding and version, the platform, and OpenGL's renderer, as a window would get them."""
    reason = no_window_because()
    if reason:
        yield Finding("window", "Qt and OpenGL", reason, looked=False)  # no fault: a server needs no window
        return
    command = [sys.executable, "-m", "napari_adasam.ui.doctor"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        words = str(error.stderr or error).strip().splitlines()
        yield Finding("window", "Qt and OpenGL", f"A window cannot be opened: {words[-1]}", sound=False)
        return
    for what, found in json.loads(answer.stdout.splitlines()[-1]).items():
        yield Finding("window", what, found)


def ask_qt() -> dict[str, str]:
    """Make a GL context off the screen, and say what it is. Must not run in a process that goes on with other work."""
    import qtpy
    from OpenGL import GL
    from qtpy.QtGui import QGuiApplication, QOffscreenSurface, QOpenGLContext

    app = QGuiApplication([])
    surface, context = QOffscreenSurface(), QOpenGLContext()
    surface.create()
    if not (context.create() and context.makeCurrent(surface)):
        raise RuntimeError("no OpenGL context could be made")
    found = {"Qt": f"{qtpy.API_NAME} {qtpy.QT_VERSION} on {app.platformName()}"}
    names = (("OpenGL", GL.GL_VERSION), ("renderer", GL.GL_RENDERER), ("vendor", GL.GL_VENDOR))
    return found | {what: GL.glGetString(name).decode() for what, name in names}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(ask_qt()) + "\n")
