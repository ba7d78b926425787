"""What to do now, in a few sentences for someone who has never seen the program."""

from __future__ import annotations

from html import escape
from typing import Literal

from napari_adasam.domain.records import FrameStatus
from napari_adasam.domain.session import Session
from napari_adasam.domain.structures import Structure
from napari_adasam.services.annotator import Annotator

Looking = Literal["flat", "3d", "volume", "grid", "hidden", "covered"]
"""How the viewer shows what is in it.

As pictures, in napari's own 3D, a volume of ours in 3D, its layers side by side, without the outlines, or with a
picture over them.
"""
MAPS = "<br>Paler colours, dots and boxes show where the program looked; C hides them."
OPENING = "<b>Wait a moment:</b> the images are being opened."
NOT_AS_USUAL = {
    "volume": "<b>In 3D, only to look at:</b> drag to turn it, press 5 to go back to the outlines.",
    "3d": "<b>napari shows it in 3D,</b> where nothing can be outlined: press Q to go back.",
    "grid": "<b>napari shows its layers side by side:</b> press its button with nine squares, lower left.",
    "hidden": "<b>The outlines are hidden.</b> Press V to see them again.",
    "covered": "<b>A picture lies over the outlines.</b> If it is new, step 1 takes it in; if not, drag it below "
    "“Outlines” in napari's list of layers.",
}
LONGEST_NAMES = 34
"""So many letters of structures' names fit behind the title of step 2."""


def next_step(annotator: Annotator, structure: Structure | None, looking: Looking = "flat") -> str:
    """The next thing to do, from where the session stands."""
    session = annotator.session
    if looking in NOT_AS_USUAL and session.frames:
        return NOT_AS_USUAL[looking]
    if not session.frames:
        if annotator.opening:
            return OPENING
        return (
            "<b>Start:</b> open your ultrasound images, or the sample images to try it out. "
            "Step 2 names what is outlined; rename it, or use a list."
        )
    if annotator.only_to_look_at:
        ways = "X and Z go through the images; step 5 exports." if len(session.frames) > 1 else "Step 5 exports it."
        return f"<b>Only to look at.</b> {escape(annotator.only_to_look_at)} {ways}"
    if structure is None:
        return "<b>Now:</b> open step 2 and add the structure you want to outline."
    current = session.current
    if current is None:
        return OPENING if annotator.opening else "<b>Now:</b> choose an image in step 3."
    return _on_image(annotator, current, structure)


def _on_image(annotator: Annotator, current: str, structure: Structure) -> str:
    """What to do with the image on the screen, as long as it may be changed."""
    status, name = annotator.session.status(current), escape(structure.name)
    if status is FrameStatus.ACCEPTED:
        if not annotator.queue and len(annotator.session.frames) == 1:
            return "<b>The image is done.</b> Open step 5 and export it; or change it and accept it again."
        if not annotator.queue:
            return "<b>All images are done.</b> Open step 5 and export them; or go back (Z) and look again."
        return "<b>Accepted.</b> Press X for the next image; or change this one and accept it again."
    if status is FrameStatus.SKIPPED:
        onward = ", or X for the next image" if annotator.queue else "; all other images are done: step 5 exports them"
        if not annotator.queue and not annotator.session.accepted:
            onward = "; no image is accepted, so there is nothing to learn from or to export"
        what = "Unusable" if annotator.session.is_unusable(current) else "Skipped"
        return f"<b>{what}: left out.</b> Press O to open it again{onward}."
    if status is FrameStatus.NEW:
        if annotator.busy:
            return "<b>Wait a moment:</b> the program is drawing a first outline. You can already draw yourself."
        return f"<b>Now:</b> press F and click on the {name}, or press D and draw it."
    if status is FrameStatus.SUGGESTED and not annotator.session.labels(current).any():
        said = annotator.session.ticks(current)
        if all(said.get(one.value) is False for one in annotator.session.structures):
            return "<b>You said that nothing is there.</b> Press A to keep that; or tick what is there."
        return (
            f"<b>Nothing was found here.</b> Is the {name} there? Press F and click on it, or D and draw it. "
            "If nothing that you outline is there, press A."
        )
    others = " T takes the next structure." if len(annotator.session.structures) > 1 else ""
    return (
        f"<b>Look at the outlines.</b> Right? Press A. Not quite? Press F and click what is missing of the {name}, "
        f"R and click what is too much; or draw (D) and erase (E).{others} Then press A."
        f"{'' if annotator.session.accepted else MAPS}"
    )


def summaries(annotator: Annotator) -> dict[str, str]:
    """A few words behind the title of each step: how it stands, or what it waits for."""
    session = annotator.session
    frames, done, rounds = len(session.frames), session.accepted, len(annotator.reports)
    names = ", ".join(one.name for one in session.structures)
    every = annotator.settings.learn.every
    waiting = "" if done else "accept an image first"
    ahead = f"by itself, every {every} accepted" if every else "when you like"
    learned = _count(rounds, "round") if rounds else waiting or ahead
    return {
        "open": f"{_count(frames, 'image')}{_scale_wanted(session)}" if frames else "",
        "structures": names if len(names) < LONGEST_NAMES else f"{len(session.structures)} structures",
        "annotate": f"{frames - len(annotator.queue)} of {frames} done" if frames else "open images first",
        "learn": "learning now" if annotator.training else learned,
        "export": waiting or f"{_count(done, 'image')} to export",
    }


def _scale_wanted(session: Session) -> str:
    """Whose image on the screen has no scale is led to where it is set: the panel for that is folded away by then."""
    known = session.current is None or session.frame(session.current).spacing is not None
    return "" if known else " · set the scale here"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
