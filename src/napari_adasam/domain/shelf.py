"""The suggestions of many frames in bounded memory.

A suggestion of a 1 megapixel frame is 5 MB a structure. The shelf keeps the sets used last as they came and packs the
others to a few per cent of that; a packed map has 256 grey levels, masks and figures are exact, and the decoder's
logits, which can be had again, are not kept.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from threading import Thread
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from napari_adasam.domain.packing import LEVEL, PackedMask
from napari_adasam.domain.prompts import Prompt
from napari_adasam.domain.records import Suggestion

BUDGET = 256 * 1024 * 1024
LARGE = 32 * 1024 * 1024
"""Bytes of a set that is packed on a thread of its own, for it would hold the window."""
ROWS = 64
"""So many of a map are rounded together, which stay within the processor's own memory."""
_NO_MASK = np.zeros((0, 0), dtype=np.bool_)
_NO_CAM = np.zeros((0, 0), dtype=np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class PackedPrompt:
    """A prompt with its dense map compressed."""

    bare: Prompt
    shape: tuple[int, ...]
    dense: bytes = field(repr=False)

    @classmethod
    def of(cls, prompt: Prompt) -> PackedPrompt:
        """Compress; without loss."""
        if prompt.dense is None:
            return cls(prompt, (), b"")
        dense = np.ascontiguousarray(prompt.dense, np.float32)
        return cls(replace(prompt, dense=_NO_CAM), dense.shape, zlib.compress(dense.tobytes(), LEVEL))

    def open(self) -> Prompt:
        """Return the prompt with its map."""
        if self.bare.dense is None:
            return self.bare
        flat = np.frombuffer(bytearray(zlib.decompress(self.dense)), np.float32)  # one that may be written to
        return replace(self.bare, dense=flat.reshape(self.shape))


@dataclass(frozen=True, slots=True, eq=False)
class PackedSuggestion:
    """A suggestion with its mask, its map and those of its prompts compressed."""

    bare: Suggestion
    mask: PackedMask
    cam_shape: tuple[int, ...]
    cam: bytes = field(repr=False)
    prompts: tuple[PackedPrompt, ...] = ()

    @classmethod
    def of(cls, suggestion: Suggestion) -> PackedSuggestion:
        """Compress; the map is rounded to 1/255."""
        grey = np.empty(suggestion.cam.shape, np.uint8)
        for row in range(0, len(grey), ROWS):
            levels = suggestion.cam[row : row + ROWS] * np.float32(255)
            grey[row : row + ROWS] = np.rint(np.clip(levels, 0, 255, out=levels), out=levels)
        bare = replace(suggestion, mask=_NO_MASK, cam=_NO_CAM, logits=(), prompts=())
        prompts = tuple(PackedPrompt.of(one) for one in suggestion.prompts)
        return cls(bare, PackedMask.of(suggestion.mask), grey.shape, zlib.compress(grey.tobytes(), LEVEL), prompts)

    def open(self) -> Suggestion:
        """Return the suggestion with its arrays."""
        grey = np.frombuffer(zlib.decompress(self.cam), dtype=np.uint8).reshape(self.cam_shape)
        cam: NDArray[np.float32] = np.divide(grey, np.float32(255), dtype=np.float32)
        prompts = tuple(one.open() for one in self.prompts)
        return replace(self.bare, mask=self.mask.open(), cam=cam, prompts=prompts)


class SuggestionSet:
    """The suggestions of one frame at one time; never changed, but packed when its shelf is full."""

    __slots__ = ("_open", "_packed", "_size", "models", "scores")

    def __init__(self, suggestions: Mapping[int, Suggestion]) -> None:
        self.models = tuple(dict.fromkeys(one.model for one in suggestions.values()))
        self.scores = {value: one.score for value, one in suggestions.items()}
        self._open: Mapping[int, Suggestion] | None = MappingProxyType(dict(suggestions))
        self._packed: tuple[PackedSuggestion, ...] = ()
        self._size = _bytes(suggestions)

    @property
    def nbytes(self) -> int:
        """Bytes of the open arrays; 0 while packed."""
        return 0 if self._open is None else self._size

    def pack(self) -> None:
        """Compress the arrays. Any thread; it may be opened meanwhile."""
        found = self._open
        if found is not None:
            self._packed = tuple(PackedSuggestion.of(one) for one in found.values())
            self._open = None

    def open(self) -> Mapping[int, Suggestion]:
        """Structure value to suggestion."""
        found = self._open
        if found is None:
            unpacked = (one.open() for one in self._packed)
            found = self._open = MappingProxyType({one.structure: one for one in unpacked})
            self._size = _bytes(found)
        return found


def _bytes(suggestions: Mapping[int, Suggestion]) -> int:
    return sum(array.nbytes for one in suggestions.values() for array in _arrays(one))


def _arrays(one: Suggestion) -> tuple[NDArray[np.generic], ...]:
    maps = (prompt.dense for prompt in one.prompts if prompt.dense is not None)
    return one.mask, one.cam, *one.logits, *maps


class Shelf:
    """Keeps the sets used last open, up to a budget in bytes; at least the last one."""

    def __init__(self, budget: int = BUDGET) -> None:
        self._budget = budget
        self._open: OrderedDict[int, SuggestionSet] = OrderedDict()

    def put(self, suggestions: Mapping[int, Suggestion]) -> SuggestionSet:
        """Take suggestions in as a set."""
        made = SuggestionSet(suggestions)
        self._use(made)
        return made

    def read(self, one: SuggestionSet) -> Mapping[int, Suggestion]:
        """Open a set, and remember that it was used."""
        suggestions = one.open()
        self._use(one)
        return suggestions

    def _use(self, one: SuggestionSet) -> None:
        self._open[id(one)] = one
        self._open.move_to_end(id(one))
        used = sum(kept.nbytes for kept in self._open.values())
        while used > self._budget and len(self._open) > 1:
            _, oldest = self._open.popitem(last=False)
            used -= oldest.nbytes
            if oldest.nbytes < LARGE:
                oldest.pack()
            else:
                Thread(target=oldest.pack, name="adasam-shelf", daemon=True).start()
