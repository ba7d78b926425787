"""A session as it is at one moment, to be read on another thread while work on it goes on."""

from __future__ import annotations

from typing import cast

from napari_adasam.domain.calibration import NOT_SET
from napari_adasam.domain.history import FrameContent
from napari_adasam.domain.session import Session
from napari_adasam.domain.versions import NO_REMARK


def snapshot(session: Session) -> Session:
    """A session that holds the same, without the steps that led there, and tells nobody of changes. GUI thread.

    What its frames hold are the same values, which never change.
    """
    frames = session.frames
    taken = Session(session.structures)
    taken.note_used(session.used)
    taken.add_kept(
        [session.own_frame(frame.id) for frame in frames],
        {frame.id: cast(FrameContent, session.step(frame.id)) for frame in frames},
    )
    setups = {frame.id: session.setup(frame.id) for frame in frames}
    taken.set_up({frame_id: setup for frame_id, setup in setups.items() if setup is not NOT_SET})
    for frame in frames:
        if (remark := session.remark(frame.id)) is not NO_REMARK:
            taken.set_remark(frame.id, remark)
    return taken
