"""Which prompts are drawn on a frame."""

from __future__ import annotations

from collections.abc import Iterator

from napari_adasam.domain.session import Session
from napari_adasam.ui.prompt_layers import DrawnPrompt


def drawn_prompts(session: Session, frame_id: str, maps_shown: bool) -> Iterator[DrawnPrompt]:
    """The clinician's prompts; and the model's, for structures she has not prompted, while the maps are shown."""
    suggestions = session.suggestions(frame_id)
    for structure in session.structures:
        points, box = session.prompts(frame_id, structure.value)
        if points or box is not None:
            yield DrawnPrompt(tuple(points), box, structure.color, by_clinician=True)
        elif maps_shown and structure.value in suggestions:
            for prompt in suggestions[structure.value].prompts:
                yield DrawnPrompt(prompt.points, prompt.box, structure.color, by_clinician=False)
