"""What can be exported, by the names that the command line and the window share."""

from __future__ import annotations

FORMATS = ("png", "overlay", "tiff", "nifti", "dicom-seg", "coco", "csv")
"""``overlay`` is a picture for reports; ``csv`` is the table of measurements; the others hold masks."""
EVERYDAY = ("png", "tiff", "csv")
"""What is written unless something else is asked for."""
