"""Drawn B-mode images of muscle with exact masks and known spacing: sample data, tests and the demo.

The pipeline, with its axes and units
-------------------------------------
1. ``anatomy``: every random choice about the tissue is drawn first, as a frozen ``Anatomy`` in millimetres; its
   borders are curves of depth (mm) over lateral position (mm).
2. ``scanner``: every random choice about the probe and the screen; where each beam sample and each image pixel lies
   in the tissue.
3. ``tissue``: echo strength in dB at each beam sample (samples along the beam × beams), with attenuation and bone
   shadow.
4. ``speckle``: fully developed speckle, envelope and log compression.
5. ``screen``: scan conversion to pixels (rows × columns), and the scanner's interface around the scan.

The label image is computed from the anatomy's curves at each pixel's position, never from the pixels: 1 muscle belly,
2 aponeurosis. The same seed gives the same image.
"""

from napari_adasam.files.phantom.images import Motion, PhantomImage, PhantomSettings, clip, draw
from napari_adasam.files.phantom.samples import write_image, write_samples

__all__ = ["Motion", "PhantomImage", "PhantomSettings", "clip", "draw", "write_image", "write_samples"]
