"""The owner of the serving weights: encodes a frame once, answers from the cached value. Lane's thread only.

What is cached is the activation in front of the first unit that rounds adapt, so that a new adapter renews a frame's
embedding at the price of the last units, and a round reads its unlabelled frames for free.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_adasam.domain.effort import ModelSize
from napari_adasam.domain.errors import InputError, ModelError
from napari_adasam.domain.looks import Look
from napari_adasam.domain.prompts import Prompt
from napari_adasam.domain.settings import ModelSettings, PromptSettings
from napari_adasam.domain.structures import Structure
from napari_adasam.files.activations import ActivationStore
from napari_adasam.files.pixels import to_grey
from napari_adasam.model import adaptation, adasam, checkpoints, devices, looking, registry, stacks
from napari_adasam.model.adasam import AdaSam, Sight
from napari_adasam.model.canvas import Canvas, grey_canvas, normalise
from napari_adasam.services import following, in_depth
from napari_adasam.services.cache import Cache
from napari_adasam.services.gate import Past
from napari_adasam.services.interludes import let_clicks_in
from napari_adasam.services.neighbours import Neighbours
from napari_adasam.services.ports import ModelInfo, Picture, Pixels, SegmentAnswer
from napari_adasam.services.regions import Region, Regions
from napari_adasam.services.serving import Learned, Seer, Serving
from napari_adasam.services.stopwatch import Stopwatch

EARLIER = 3
"""How many earlier models are kept to go back to; each takes about 40 MB."""


class ModelPredictor:
    """Serves one model; see :class:`services.ports.Predictor`.

    Parameters
    ----------
    settings
        Which weights, at which size, where. They are loaded at the first use.
    regions
        The valid region of each frame, and its neighbours; without ``settings.use_sector`` regions are whole pictures.
    store
        Where activations of frames are kept for the next sitting; ``None`` for nowhere.
    watch
        Times what is computed, for estimates.
    """

    def __init__(
        self,
        settings: ModelSettings,
        regions: Regions | None = None,
        store: ActivationStore | None = None,
        watch: Stopwatch | None = None,
    ) -> None:
        self.settings, self.store, self.watch = settings, store, watch or Stopwatch()
        self._regions = regions or Regions()
        self.neighbours = Neighbours(self._regions.clip_of)
        self._keys: dict[str, str] = {}
        self.activations = Cache()
        self._embeddings = Cache(64 * 2**20)
        self._now: Learned | None = None
        self._fingerprint = self._front_fingerprint = self._base_fingerprint = ""
        self._earlier: deque[Learned] = deque(maxlen=EARLIER)
        self.rounds, self.past, self._cut = 0, Past(), 0

    @property
    def net(self) -> AdaSam:
        """The serving model; loaded at the first call."""
        return self.now.net

    @property
    def now(self) -> Learned:
        """The same, with what is to be known of it."""
        if self._now is None:
            now = self._begin(let_clicks_in(registry.load(self.settings)))
            self._base_fingerprint = registry.fingerprint_of_base(self.settings, self._fingerprint)
            self._time(now.net)
            return now
        return self._now

    def _begin(self, net: AdaSam) -> Learned:
        net = net.to(devices.choose(self.settings.device)).requires_grad_(False).eval()
        now = self._take(Learned(net, None, answers=True))
        self._began = self._seer
        return now

    def _time(self, net: AdaSam) -> None:
        size = ModelSize(sum(one.nbytes for one in net.state_dict().values()), net.sam.size)
        self.watch.begin(f"{net.device}/{torch.get_num_threads()}/{self._base_fingerprint}/{net.sam.size}", size)

    @property
    def serving(self) -> Serving:
        """What a round starts from; nothing in it is ever changed."""
        return Serving(self.now, self._began.net, self._base_fingerprint, self.past, self.rounds)

    def begin_with(self, serving: Serving) -> None:
        """Serve this from the start, in place of loading the model of the settings."""
        self._base_fingerprint, self.past, self.rounds = serving.base, serving.past, serving.rounds
        self._time(self._begin(serving.began).net)
        if serving.now.net is not serving.began:
            serving.now.net.to(serving.began.device).requires_grad_(False).eval()
            self._take(serving.now)

    @property
    def by_hand(self) -> Seer:
        """What answers points and boxes; what takes outlines along, too."""
        return self._seer if self.now.answers else self._began

    @property
    def cut(self) -> int:
        """The unit in front of which activations are cached: no round has adapted one before it."""
        _ = self.net  # loads it
        return self._cut

    def info(self) -> ModelInfo:
        """What serves."""
        card, where = self.net.card, str(self.net.device)
        return ModelInfo(card.name, self._fingerprint, where, card.licence, card.lineage, len(self._earlier))

    def seen(self, frame_id: str, pixels: Pixels) -> tuple[str, Region | None]:
        """A key of what the model sees of a frame, and its valid region: ``None`` for all, as without the setting."""
        region = self._regions.of(frame_id, to_grey(pixels)) if self.settings.use_sector else None
        self._keys[frame_id] = key = frame_id if region is None else f"{frame_id}@{region.key}"
        return key, region

    def square(self, pixels: Pixels, region: Region | None) -> tuple[Tensor, Tensor]:
        """The square input: grey (1, S, S), 0 to 255, one grey out of the region; valid (1, S, S), 0 in the padding."""
        grey = to_grey(pixels)
        return grey_canvas(grey if region is None else region.alone(grey), self.net.sam.size)[:2]

    @torch.no_grad()
    def activation(self, frame_id: str, pixels: Pixels) -> Tensor:
        """The cached activation (1, …) of a frame as it is, half precision, on the CPU."""
        name, region = self.seen(frame_id, pixels)
        key = f"{name}/plain/{self.cut}"
        found = self.activations.get(key)
        if found is None:
            found = self._stored_or_encoded(pixels, region)
            self.activations.put(key, found)
            self.watch.note_view(found.nbytes)
        return found

    def _stored_or_encoded(self, pixels: Pixels, region: Region | None) -> Tensor:
        """The activation from an earlier sitting; the front of the encoder runs only where there is none."""
        key = "" if self.store is None else self._stored_as(pixels, region)
        kept = None if self.store is None else self.store.get(key)
        if kept is not None:
            return torch.from_numpy(kept)
        grey, valid = self.square(pixels, region)
        with self.watch.timing("encode"):
            image = normalise(grey[None].to(self.net.device), valid[None].to(self.net.device))
            found = self.net.sam.encoder.front(image, self.cut).half().cpu()
        if self.store is not None and bool(torch.isfinite(found).all()):
            self.store.put(key, found.numpy())
        return found

    def _stored_as(self, pixels: Pixels, region: Region | None) -> str:
        """A name by content: of the pixels, of what is seen of them, and of the weights that they go through."""
        if not self._front_fingerprint:
            front = self.net.sam.encoder.units[: self.cut]
            self._front_fingerprint = checkpoints.fingerprint(front.state_dict())
        grey = np.ascontiguousarray(to_grey(pixels))
        content = hashlib.sha256(grey.tobytes()).hexdigest()
        seen = f"{grey.shape}/{'' if region is None else region.key}"
        return f"{content}/{seen}/{self._front_fingerprint}/{self.net.sam.size}"

    @devices.again_without_onednn
    @torch.no_grad()
    def embedding(self, frame_id: str, pixels: Pixels, seer: Seer | None = None) -> Tensor:
        """The embedding (1, 256, h, w) of a frame, among its neighbours where the model wants them; by what serves."""
        net = self.net if seer is None else seer.net
        key = f"{self.seen(frame_id, pixels)[0]}/{(seer or self._seer).eyes}"
        found = self._embeddings.get(key)
        if found is None:
            slices = self.neighbours.slices(Picture(frame_id, pixels), adaptation.slices(net))
            fronts = torch.cat([self.activation(one.frame_id, one.pixels) for one in slices])
            found = stacks.middle(net, fronts.to(net.device).float(), self.cut)
            if not bool(torch.isfinite(found).all()):
                raise ModelError(
                    "The model gave no usable embedding of this frame. Nothing was changed. Choose another model."
                )
            self._embeddings.put(key, found)
        return found

    def sight(self, frame: Picture, settings: PromptSettings) -> Sight:
        """Where a frame lies in the square input, and what of it is seen."""
        region = self.seen(frame.frame_id, frame.pixels)[1]
        canvas = Canvas(frame.pixels.shape[0], frame.pixels.shape[1], self.net.sam.size)
        return Sight(canvas, settings, None if region is None else region.mask)

    @devices.again_without_onednn
    def look(self, frame_id: str, pixels: Pixels, structures: Sequence[Structure], settings: PromptSettings) -> Look:
        """What the frame would teach, for the order."""
        sight = self.sight(Picture(frame_id, pixels), settings)
        found = looking.look(self.net, self.embedding(frame_id, pixels), structures, sight)
        return replace(found, model=self._fingerprint)

    suggest = in_depth.suggest

    def prepare(self, frame_id: str, pixels: Pixels) -> None:
        """Have the embedding at hand that clicks on a frame are answered from."""
        self.embedding(frame_id, pixels, self.by_hand)

    @devices.again_without_onednn
    def segment(
        self, frame_id: str, pixels: Pixels, prompt: Prompt, previous: NDArray[np.float32] | None
    ) -> SegmentAnswer:
        """Answer a clinician's prompt."""
        canvas = Canvas(pixels.shape[0], pixels.shape[1], self.net.sam.size)
        before, hand = None if previous is None else torch.from_numpy(previous), self.by_hand
        mask, score, low = adasam.answer(hand.net, self.embedding(frame_id, pixels, hand), prompt, before, canvas)
        return SegmentAnswer(mask, score, np.asarray(low.cpu().numpy(), dtype=np.float32))

    follow = following.follow

    def forget(self, frame_id: str) -> None:
        """Drop what is cached of a frame that will not be asked for again; not what its neighbours may need of it."""
        if self.neighbours.apart(frame_id) is not None:
            return
        key = self._keys.pop(frame_id, frame_id)
        if adaptation.slices(self.net) == 1:
            self.activations.drop(f"{key}/plain/{self.cut}")
        for seer in (self._seer, self._began):
            self._embeddings.drop(f"{key}/{seer.eyes}")

    def serve(self, student: Learned) -> ModelInfo:
        """Let a student that passed the gate serve; the model before it is kept for :meth:`go_back`."""
        self._earlier.append(self.now)
        adaptation.round_to_file(student.net.requires_grad_(False).eval())
        self._take(student)
        return self.info()

    def go_back(self) -> ModelInfo:
        """Serve the model before the last accepted round again."""
        if not self._earlier:
            raise ModelError("There is no earlier model to go back to. The model in use is unchanged.")
        self._take(self._earlier.pop())
        return self.info()

    def save(self, folder: Path) -> Path | None:
        """Write the adapted part of what serves, named by its fingerprint; ``None`` where the base serves."""
        now, past = self.now, self.past
        if now.method is None:
            return None
        path = folder / f"{self._fingerprint}.safetensors"
        if not path.exists():
            of = (self.settings.name, self._base_fingerprint, now.method)
            origin = registry.AdapterOrigin(*of, past.held, past.learned, past.found, self.rounds, now.answers)
            registry.save_adapter(path, self.net, origin)
        return path

    def restore(self, path: Path) -> ModelInfo:
        """Serve an adapter that :meth:`save` wrote, on the base model that is set."""
        base = self.net
        origin = registry.origin_of(path)
        if origin.base_fingerprint != self._base_fingerprint:
            raise InputError(
                "What this session has learned belongs to another base model than the one that is set. That one is in "
                "use now; nothing that was learned is lost. Start with the model of before to go on with it."
            )
        settings = replace(self.settings, name=str(path), base=self.settings.name, input_size=base.sam.size)
        net = let_clicks_in(registry.load(settings).to(base.device))
        self.past, self.rounds = Past(origin.held, origin.learned, origin.found), origin.rounds
        return self.serve(Learned(net, origin.method, origin.answers))

    def _take(self, now: Learned) -> Learned:
        net, size = now.net, now.net.sam.size
        cut = min(net.sam.encoder.adapt_index(None), adaptation.first_adapted(net))
        if cut != self._cut or (self._now is not None and self._now.net.sam.size != size):
            self.activations.clear()
            self._front_fingerprint = ""
        self._now, self._cut = now, cut
        self._fingerprint = checkpoints.fingerprint(net.state_dict())
        self._seer = Seer.of(net)
        return now
