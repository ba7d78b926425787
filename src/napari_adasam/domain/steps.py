"""The steps of a frame as pure functions: content in, content after one act of the clinician or the model out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from napari_adasam.domain.history import NO_PROMPT, Acceptance, EarlierVersion, FrameContent, StructurePrompt
from napari_adasam.domain.packing import PackedAnnotation, PackedLabels, PackedMask, StoredLabels
from napari_adasam.domain.propagation import PropagatedMasks
from napari_adasam.domain.protection import (
    changed_share,
    changed_structures,
    depth,
    lay_suggestions,
    put_mask,
    put_stroke,
    relabelled,
)
from napari_adasam.domain.records import Annotation, Draft, FrameStatus, Labels, Mask, MaskOrigin, Suggestion
from napari_adasam.domain.structures import Structure

CLOSED = (FrameStatus.ACCEPTED, FrameStatus.SKIPPED)


def proposed(
    content: FrameContent, labels: Labels, fresh: Mapping[int, Suggestion], structures: Sequence[Structure]
) -> FrameContent:
    """Lay suggestions for untouched structures into the labels. A structure ticked as absent gets an empty mask.

    ``suggested`` is left to the caller, who has the shelf.
    """
    several = [one.value for one in structures if one.several_parts]
    nothing = np.zeros(labels.shape, dtype=np.bool_)
    masks = {value: one.mask if content.ticks.get(value, True) else nothing for value, one in fresh.items()}
    laid = lay_suggestions(labels, masks, several)
    adopted = {**content.adopted, **{value: PackedMask.of(laid == value) for value in masks}}
    status = FrameStatus.CORRECTED if content.touched else FrameStatus.SUGGESTED
    return replace(
        content, labels=PackedLabels.of(laid), adopted=MappingProxyType(adopted), status=status, propagated=None
    )


def corrected(content: FrameContent, touched: frozenset[int], labels: Labels | None = None) -> FrameContent:
    """A change by hand: an accepted or skipped frame is open again, and no suggestion replaces what was touched.

    What is outlined by hand is there, whatever was said of it before.
    """
    denied = [] if labels is None else [value for value in touched if content.ticks.get(value) is False]
    there = {value: True for value in denied if labels is not None and bool((labels == value).any())}
    return replace(
        content,
        status=FrameStatus.CORRECTED,
        ticks=MappingProxyType({**content.ticks, **there}) if there else content.ticks,
        labels=content.labels if labels is None else PackedLabels.of(labels),
        touched=content.touched | touched | all_if_accepted(content),
        acceptance=None,
    )


def all_if_accepted(content: FrameContent) -> frozenset[int]:
    """Every structure, if the frame was accepted: the clinician has vouched for all of them."""
    return frozenset(content.acceptance.origins) if content.acceptance else frozenset()


def only_suggested(content: FrameContent, structures: Sequence[Structure]) -> frozenset[int]:
    """The structures that nobody has outlined or vouched for: they give way to what is done by hand."""
    return frozenset(one.value for one in structures) - content.touched - all_if_accepted(content)


def with_prompt(content: FrameContent, structure: int, prompt: StructurePrompt) -> FrameContent:
    """The same with another prompt for one structure."""
    prompts = {**content.prompts, structure: prompt}
    kept = {value: one for value, one in prompts.items() if not one.empty}
    return replace(content, prompts=MappingProxyType(kept))


def asked(content: FrameContent, structure: int, prompt: StructurePrompt) -> FrameContent:
    """A new point or box, its mask yet to come."""
    return with_prompt(corrected(content, frozenset({structure})), structure, replace(prompt, answered=False))


def cleared(content: FrameContent, structure: int, before: FrameContent | None) -> FrameContent:
    """Without a structure's prompt; one without an answer has touched nothing that was not ``before`` it was asked."""
    bare, answered = with_prompt(content, structure, NO_PROMPT), content.prompts[structure].answered
    kept = answered or before is None or structure in before.touched | all_if_accepted(before)
    return bare if kept else reopened(replace(bare, touched=bare.touched - {structure}))


def answered(
    content: FrameContent, labels: Labels, structure: int, mask: Mask, structures: Sequence[Structure]
) -> FrameContent:
    """The mask that came for a point or box. Suggestions that would lie beneath it give way."""
    prompt = replace(content.prompts.get(structure, NO_PROMPT), answered=True)
    several = [one.value for one in structures if one.several_parts]
    place = depth(structure, mask, several)
    suggested = only_suggested(content, structures) - {structure}
    beneath = [value for value in suggested if depth(value, labels == value, several) > place]
    masked = corrected(content, frozenset({structure}), put_mask(labels, structure, mask, beneath))
    return with_prompt(masked, structure, prompt)


def masked(content: FrameContent, labels: Labels, structure: int, mask: Mask) -> FrameContent:
    """A mask set as a whole; the structure's points and box, which it does not come from, are gone."""
    changed = corrected(content, frozenset({structure}), put_mask(labels, structure, mask))
    return with_prompt(changed, structure, NO_PROMPT)


def stroked(content: FrameContent, before: Labels, after: Labels, structures: Sequence[Structure]) -> FrameContent:
    """A stroke of brush or eraser; points and boxes of the structures it changed are gone: clicks start anew.

    Suggestions of other structures give way to it.
    """
    merged = put_stroke(before, after, only_suggested(content, structures))
    touched = changed_structures(before, merged)
    if not touched:
        return content
    changed = corrected(content, touched, merged)
    for structure in touched & set(content.prompts):
        changed = with_prompt(changed, structure, NO_PROMPT)
    return changed


def ticked(content: FrameContent, labels: Labels, structure: int, present: bool | None) -> FrameContent:
    """The clinician's word on a structure; "not there" also removes a suggested mask, anything else puts it back."""
    ticks = {value: one for value, one in content.ticks.items() if value != structure}
    if present is not None:
        ticks[structure] = present
    content = replace(content, ticks=MappingProxyType(ticks))
    if structure in content.touched or content.status in CLOSED:
        return content
    mask: Mask = labels == structure
    if present is False:
        mask = np.zeros_like(mask)
    elif not mask.any():
        mask = _offered(content, structure, mask)
    after = put_mask(labels, structure, mask)
    return content if np.array_equal(after, labels) else replace(content, labels=PackedLabels.of(after))


def _offered(content: FrameContent, structure: int, nothing: Mask) -> Mask:
    """The mask that was suggested or propagated, as it was laid into the labels; ``nothing`` where there was none."""
    adopted = content.adopted.get(structure)
    if adopted is not None:
        return adopted.open()
    if content.propagated is None or content.earlier is None:
        return nothing
    return np.asarray(content.earlier.labels.open() == structure)


def draft(content: FrameContent, labels: Labels, frame_id: str, values: Sequence[int], seconds: float) -> Annotation:
    """What accepting the frame as it stands would record, for the structures ``values``."""
    origins: dict[int, MaskOrigin] = {}
    shares: dict[int, float] = {}
    for value in values:
        mask = labels == value
        adopted = content.adopted.get(value)
        suggested = np.zeros(labels.shape, dtype=np.bool_) if adopted is None else adopted.open()
        shares[value] = changed_share(mask, suggested)
        origins[value] = _origin(bool(mask.any()), bool(suggested.any()), shares[value])
    _keep_earlier(content, labels, origins, shares)
    known = relabelled(labels, {value: value for value in values}, 0)
    return Annotation(frame_id, known, origins, shares, seconds, model_of(content))


def _keep_earlier(
    content: FrameContent, labels: Labels, origins: dict[int, MaskOrigin], shares: dict[int, float]
) -> None:
    """A reopened session has no suggestions: what was recorded earlier still tells how a mask came to be."""
    if content.earlier is None:
        return
    before, facts = content.earlier.labels.open(), content.earlier.facts
    for value in set(origins) - set(content.adopted):
        origin = facts.origins.get(value, MaskOrigin.ABSENT)
        share = changed_share(labels == value, before == value)
        if share == 0:
            origins[value], shares[value] = origin, facts.changed_share.get(value, 0.0)
        elif origins[value] is MaskOrigin.DRAWN and origin in (MaskOrigin.SUGGESTED, MaskOrigin.CORRECTED):
            origins[value], shares[value] = MaskOrigin.CORRECTED, share


def _origin(present: bool, suggested: bool, share: float) -> MaskOrigin:
    if not present:
        return MaskOrigin.ABSENT
    if not suggested:
        return MaskOrigin.DRAWN
    return MaskOrigin.CORRECTED if share else MaskOrigin.SUGGESTED


def model_of(content: FrameContent) -> str:
    """Fingerprint of the weights behind a frame's suggestions, or behind what was kept of them; empty for none."""
    if content.suggested is not None and content.suggested.models:
        return content.suggested.models[0]
    return content.earlier.facts.model if content.earlier else ""


def accepted(content: FrameContent, annotation: Annotation) -> FrameContent:
    """The frame is done; its labels are the annotation's."""
    return replace(
        content,
        status=FrameStatus.ACCEPTED,
        labels=PackedLabels.of(annotation.labels),
        acceptance=Acceptance.of(annotation),
    )


def restored(
    status: FrameStatus,
    annotation: PackedAnnotation | None,
    ticks: Mapping[int, bool],
    draft: Draft | None,
    masks: PropagatedMasks | None = None,
) -> FrameContent:
    """A frame as the disk has it. Suggestions are not kept there, so a frame that had only those is new again.

    So is one whose accept was undone altogether: its status says so. ``masks``: those that were propagated to it;
    with a ``draft`` they were changed since.
    """
    ticks = MappingProxyType(dict(ticks))
    if status is not FrameStatus.ACCEPTED and (draft is not None or masks is not None):
        content = _as_propagated(masks, ticks) if masks is not None else FrameContent(ticks=ticks)
        if draft is not None:
            left = _as_left(PackedAnnotation.of(draft.annotation), draft.touched, ticks)
            content = replace(left, propagated=content.propagated)
        return replace(content, status=status) if status is FrameStatus.SKIPPED else content
    if annotation is None or status not in (*CLOSED, FrameStatus.CORRECTED):
        kept = status if status is FrameStatus.SKIPPED else FrameStatus.NEW
        return FrameContent(status=kept, ticks=ticks)
    content = _as_left(annotation, frozenset(annotation.bare.origins), ticks)
    if status not in CLOSED:
        return content
    facts = Acceptance.of(annotation.bare) if status is FrameStatus.ACCEPTED else None
    return replace(content, status=status, acceptance=facts)


def _as_left(one: PackedAnnotation, touched: frozenset[int], ticks: Mapping[int, bool]) -> FrameContent:
    earlier = EarlierVersion(one.labels, Acceptance.of(one.bare))
    return FrameContent(FrameStatus.CORRECTED, one.labels, touched=touched, ticks=ticks, earlier=earlier)


def _as_propagated(masks: PropagatedMasks, ticks: Mapping[int, bool]) -> FrameContent:
    origins = MappingProxyType(dict.fromkeys(masks.values, MaskOrigin.SUGGESTED))
    facts = Acceptance(origins, MappingProxyType({}), 0.0, masks.model)
    earlier = EarlierVersion(masks.labels, facts)
    return FrameContent(FrameStatus.SUGGESTED, masks.labels, ticks=ticks, earlier=earlier, propagated=masks.how)


def brought_back(content: FrameContent, labels: Labels, structures: Sequence[Structure]) -> FrameContent:
    """Another version in place of what is there, as work in progress; points and boxes, not being of it, are gone."""
    known = relabelled(labels, {one.value: one.value for one in structures}, 0)
    changed = corrected(content, frozenset(one.value for one in structures), known)
    return replace(changed, prompts=MappingProxyType({}))


def without_unknown(content: FrameContent, structures: Sequence[Structure], read: bool = True) -> FrameContent:
    """Without pixels, points and boxes of what was removed since; ``read`` labels though an accept tells of no such."""
    values = {one.value for one in structures}
    if not values.issuperset(content.prompts):
        prompts = {value: one for value, one in content.prompts.items() if value in values}
        content = replace(content, prompts=MappingProxyType(prompts))
    if content.labels is None or (not read and content.acceptance and values >= content.acceptance.outlined):
        return content
    labels = content.labels.open()
    known = relabelled(labels, {value: value for value in values}, 0)
    return content if np.array_equal(known, labels) else replace(content, labels=PackedLabels.of(known))


def held(content: FrameContent) -> FrameContent:
    """The same with its labels in memory. Raises InputError if they lie on the disk and cannot be read."""
    labels, earlier = content.labels, content.earlier
    if not isinstance(labels, StoredLabels):
        return content
    here = PackedLabels.of(labels.open())
    if earlier is not None and earlier.labels == labels:
        earlier = replace(earlier, labels=here)
    return replace(content, labels=here, earlier=earlier)


def skipped(content: FrameContent) -> FrameContent:
    """The frame is left out; what is drawn on it stays."""
    touched = content.touched | all_if_accepted(content)
    return replace(content, status=FrameStatus.SKIPPED, touched=touched, acceptance=None)


def reopened(content: FrameContent) -> FrameContent:
    """An accepted or skipped frame is open again, with the status its labels give it."""
    if content.acceptance is not None:
        return corrected(content, frozenset())
    if content.touched:
        status = FrameStatus.CORRECTED
    else:
        status = FrameStatus.SUGGESTED if content.suggested or content.propagated else FrameStatus.NEW
    return replace(content, status=status)
