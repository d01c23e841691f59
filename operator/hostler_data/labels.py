"""Labels and captions: what is said of a text or an image."""

from __future__ import annotations

import math
from pathlib import PurePosixPath

from hostler_data.readers.manifest import IMAGE_SUFFIXES
from hostler_data.record import Record, shown


def label_of(record: Record) -> str:
    """The label as text. Raises ``DataError``."""
    if _is_image_file(record) and "label" not in record.values:
        raise record.error(
            "has no label, and other images have: put it into a folder of that name, or remove the image"
        )
    record.require("label")
    label = class_of(record)
    if label is None:
        raise record.error("the label is empty: name it, or remove the row")
    return str(label)


def class_of(record: Record) -> str | int | None:
    """The label as it is; None where the row has none. Raises ``DataError``."""
    value = record.values.get("label")
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # a column of whole numbers in which some are missing
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise record.error(
            f"label is {shown(value)}, neither a name nor a whole number: write one of them, in quotes where it is "
            "a name"
        )
    return value


def caption_of(record: Record) -> str:
    """What is said of an image or a clip: its caption or, where the data has no captions, its label. Raises
    ``DataError``."""
    if "caption" not in record.values and record.values.get("label") is not None:
        return label_of(record)
    if _is_image_file(record) and record.values.get("caption") is None:
        beside = PurePosixPath(record.file).with_suffix(".txt")
        raise record.error(f"has no caption: write it into {beside}, or remove the image")
    return record.text("caption")


def _is_image_file(record: Record) -> bool:
    """Whether a row is a file itself, without columns that could be named."""
    return record.file.lower().endswith(IMAGE_SUFFIXES)
