"""What to do now, in one or two sentences for someone who has never seen the program."""

from __future__ import annotations

from napari_adasam.domain.records import FrameStatus
from napari_adasam.domain.structures import Structure
from napari_adasam.services.annotator import Annotator


def next_step(annotator: Annotator, structure: Structure | None) -> str:
    """The next thing to do, from where the session stands."""
    session = annotator.session
    if not session.frames:
        return "<b>Start:</b> open your ultrasound images, or the sample images to try it out."
    if structure is None:
        return "<b>Now:</b> open step 2 and add the structure you want to outline."
    current = session.current
    if current is None:
        return "<b>Now:</b> choose an image in step 3."
    status = session.status(current)
    if status is FrameStatus.ACCEPTED:
        return "<b>Accepted.</b> Press X for the next image; or change this one and accept it again."
    if status is FrameStatus.SKIPPED:
        return "<b>Skipped.</b> Press O to open it again, or X for the next image."
    if status is FrameStatus.NEW:
        if annotator.busy:
            return "<b>Wait a moment:</b> the program is drawing a first outline. You can already draw yourself."
        return f"<b>Now:</b> press F and click on the {structure.name}, or press D and draw it."
    return (
        "<b>Look at the outline.</b> Right? Press A. Not quite? Press F and click what is missing, "
        "R and click what is too much; or draw (D) and erase (E). Then press A."
    )
