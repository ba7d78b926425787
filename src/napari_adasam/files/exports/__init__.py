"""Accepted frames out: masks, measurements and where they come from. One module a format."""

from napari_adasam.domain.export_formats import EVERYDAY, FORMATS
from napari_adasam.files.exports.losses import losses
from napari_adasam.files.exports.naming import key_of, output_names, read_key
from napari_adasam.files.exports.options import NO_EXTRAS, ExportOptions, ExportReport, Extras, Progress
from napari_adasam.files.exports.png import mask_png
from napari_adasam.files.exports.provenance import Provenance, software_versions
from napari_adasam.files.exports.target import check_target
from napari_adasam.files.exports.tiff import mask_tiff
from napari_adasam.files.exports.writer import export, export_steps

__all__ = [
    "EVERYDAY",
    "FORMATS",
    "NO_EXTRAS",
    "ExportOptions",
    "ExportReport",
    "Extras",
    "Progress",
    "Provenance",
    "check_target",
    "export",
    "export_steps",
    "key_of",
    "losses",
    "mask_png",
    "mask_tiff",
    "output_names",
    "read_key",
    "software_versions",
]
