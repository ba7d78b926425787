"""Accepted frames out: masks, measurements and where they come from. One module a format."""

from napari_adasam.files.exports.png import mask_png
from napari_adasam.files.exports.provenance import Provenance, software_versions
from napari_adasam.files.exports.tiff import mask_tiff
from napari_adasam.files.exports.writer import FORMATS, export, output_names

__all__ = ["FORMATS", "Provenance", "export", "mask_png", "mask_tiff", "output_names", "software_versions"]
