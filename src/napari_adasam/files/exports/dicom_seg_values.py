"""Values of a source's header that a DICOM SEG cannot take: emptied where it may be, else called by their keyword.

No sentence quotes a value, because it may be a patient's.
"""

from __future__ import annotations

import warnings
from typing import Any

from highdicom import PatientSexValues
from pydicom import Dataset
from pydicom.multival import MultiValue
from pydicom.valuerep import DA, DT, TM

from napari_adasam.files.exports.dicom_source import TYPE_2

READ_AS: dict[str, Any] = {"DA": DA, "TM": TM, "DT": DT, "DS": float, "IS": float}
"""Kinds of values, by their VR, that are made dates, times and numbers."""


def emptied(header: Dataset) -> Dataset:
    """The same header, with what a SEG must have of patient and study made empty where it is not as DICOM wants it."""
    for name in TYPE_2:
        if name in header and not _is_sound(header, name):
            delattr(header, name)
            setattr(header, name, "")
    return header


def unfit_keywords(header: Dataset, said: str) -> list[str]:
    """Keywords of the values that are not as DICOM wants them; of those that an error quotes only, if it quotes any."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they quote values
        unfit = [name for name in header.dir() if not _is_sound(header, name)]
        return [name for name in unfit if name in said or _text(header, name) in said] or unfit


def _is_sound(header: Dataset, name: str) -> bool:
    try:
        element = header[name]
        if name == "PatientSex":
            return not element.value or bool(PatientSexValues(element.value))
        several = isinstance(element.value, MultiValue) and name not in TYPE_2
        for one in element.value if several else [element.value]:
            if one or one == 0:
                READ_AS.get(element.VR, str)(one)
    except Exception:  # noqa: BLE001 - pydicom has many kinds, and each means that it is not sound
        return False
    return True


def _text(header: Dataset, name: str) -> str:
    try:
        return str(header[name].value)
    except Exception:  # noqa: BLE001 - what cannot be read is in no error
        return name
