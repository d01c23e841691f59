"""Labels and captions: what is said of a text or an image."""

from __future__ import annotations

import math

from hostler_data.record import Record, shown


def label_of(record: Record) -> str:
    """The label as text. Raises ``DataError``."""
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
        raise record.error(f"label is {shown(value)}, neither a name nor a whole number")
    return value


def caption_of(record: Record) -> str:
    """What is said of an image or a clip: its caption or, where the data has no captions, its label. Raises
    ``DataError``."""
    if "caption" not in record.values and record.values.get("label") is not None:
        return label_of(record)
    return record.text("caption")
