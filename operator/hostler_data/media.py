"""Images, clips and recordings of a row as arrays. A file that cannot be decoded is an error with file and row."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hostler_data.libraries import library
from hostler_data.pictures import TOO_LARGE, PictureError, check_picture, with_eight_bits
from hostler_data.readers.manifest import leaves
from hostler_data.record import Record, kind_of
from hostler_data.stretches import Stretch, stretch_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def decode_image(
    record: Record, *, role: str = "image", size: int | tuple[int, int] | None = None, channels: int = 3
) -> NDArray[np.uint8]:
    """The image as height x width x channels, 0 to 255. ``size`` (height and width, or one number for both) scales it
    to cover that and cuts off what stands over on both sides. Raises ``DataError``."""
    return _image(record, record.require(role), role=role, size=size, channels=channels)


def decode_frames(
    record: Record, *, role: str = "frames", size: int | tuple[int, int] | None = None, channels: int = 3
) -> NDArray[np.uint8]:
    """A list of images as frames x height x width x channels. Raises ``DataError``, also where sizes differ."""
    numpy = library("numpy", use="decoding images")
    values = record.require(role)
    if not isinstance(values, list | tuple) or not values:
        found = "an empty list" if isinstance(values, list | tuple) else kind_of(values)
        raise record.error(f"{role} is {found}, not a list of images: give their files, or their bytes, in order")
    frames = [_image(record, value, role=role, size=size, channels=channels) for value in values]
    if len({frame.shape for frame in frames}) > 1:
        sizes = ", ".join(sorted({f"{frame.shape[1]} x {frame.shape[0]}" for frame in frames}))
        raise record.error(f"the images of {role} differ in size ({sizes}): bring them to one size, or remove the row")
    stacked: NDArray[np.uint8] = numpy.stack(frames)
    return stacked


def decode_audio(record: Record, *, role: str = "audio", rate: int = 16_000) -> NDArray[np.float32]:
    """The recording as one channel of floats between -1 and 1 at ``rate`` samples a second. A list or array of numbers
    is taken as it is. Where the row has ``offset`` or ``duration``, in seconds, that stretch alone. Raises
    ``DataError``."""
    numpy = library("numpy", use="decoding audio")
    stretch = stretch_of(record)
    value = record.require(role)
    if isinstance(value, Mapping) and value.get("array") is not None:
        if value.get("sampling_rate") != rate:
            raise record.error(f"{role} has {value.get('sampling_rate')} samples a second, not {rate}: store a file")
        value = value["array"]
    if isinstance(value, numpy.ndarray) or (isinstance(value, list) and value):
        samples: NDArray[np.float32] = numpy.asarray(value, dtype=numpy.float32)
        if samples.ndim != 1:
            raise record.error(
                f"{role} has {samples.ndim} dimensions, not one channel: take the mean of the channels, or store a file"
            )
        return stretch.cut(samples, rate=rate, begin=0.0, record=record)
    return _decoded_audio(record, role=role, rate=rate, stretch=stretch)


def decode_first_frame(record: Record, *, role: str = "video") -> NDArray[np.uint8]:
    """The first picture of a clip as height x width x 3, 0 to 255. Raises ``DataError``."""
    with _container(record, role, use="decoding video") as container:
        if container.streams.video:
            _check_pictures(container.streams.video[0], record, role)
        first = next(container.decode(video=0), None) if container.streams.video else None
        if first is None:
            raise record.error(f"{_named(role, media_source(record, role))} has no pictures in it. Repair or remove it")
        pixels: NDArray[np.uint8] = first.to_ndarray(format="rgb24")
    return pixels


def media_source(record: Record, role: str) -> Path | io.BytesIO:
    """Something to open a media file by: its path, or its bytes. Raises ``DataError``."""
    return _source(record, record.require(role), role=role)


def _source(record: Record, value: Any, *, role: str) -> Path | io.BytesIO:
    if isinstance(value, Mapping):  # how the hub stores media in Parquet
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytes):
        return io.BytesIO(value)
    if isinstance(value, Path):
        return value
    if isinstance(value, str):
        if leaves(value):
            raise record.error(f"{role} {value!r} lies outside the dataset: use a path relative to {record.file}")
        return record.folder / value
    raise record.error(f"{role} is {kind_of(value)}, neither a file nor its bytes: name a file relative to the data")


def _image(
    record: Record, value: Any, *, role: str, size: int | tuple[int, int] | None, channels: int
) -> NDArray[np.uint8]:
    numpy, pillow, ops = (library(name, use="decoding images") for name in ("numpy", "PIL.Image", "PIL.ImageOps"))
    source = value if isinstance(value, numpy.ndarray) else _source(record, value, role=role)
    try:
        opened = pillow.fromarray(source) if isinstance(source, numpy.ndarray) else pillow.open(source)
        with opened as image:
            check_picture(width=image.width, height=image.height)
            image = ops.exif_transpose(with_eight_bits(image)).convert(_MODES[channels])
            if size is not None:
                height, width = (size, size) if isinstance(size, int) else size
                if image.size != (width, height):
                    image = ops.fit(image, (width, height), method=pillow.Resampling.BICUBIC)
            pixels: NDArray[np.uint8] = numpy.asarray(image, dtype=numpy.uint8)
    except PictureError as error:
        raise record.error(f"{_named(role, source)} {error}") from None
    except FileNotFoundError:
        raise record.error(f"{_named(role, source)} does not exist: put it there, or remove the row") from None
    except pillow.UnidentifiedImageError:
        raise record.error(f"{_named(role, source)} is not an image file. Repair or remove it") from None
    except pillow.DecompressionBombError:
        raise record.error(f"{_named(role, source)} {TOO_LARGE}") from None
    except (OSError, ValueError, TypeError, SyntaxError, EOFError) as error:
        raise record.error(f"{_named(role, source)} cannot be decoded: {_line(error)}. Repair or remove it") from error
    return pixels if pixels.ndim == 3 else pixels[:, :, None]


def _decoded_audio(record: Record, *, role: str, rate: int, stretch: Stretch) -> NDArray[np.float32]:
    numpy, av = (library(name, use="decoding audio") for name in ("numpy", "av"))
    blocks: list[Any] = []
    begin: float | None = None
    with _container(record, role, use="decoding audio") as container:
        if not container.streams.audio:
            raise record.error(f"{_named(role, media_source(record, role))} has no sound in it. Repair or remove it")
        stream = container.streams.audio[0]
        if stretch.offset and stream.time_base:
            container.seek(int(stretch.offset / stream.time_base), stream=stream)
        resampler = av.AudioResampler(format="fltp", rate=rate)
        # The mean of the channels, where FFmpeg's own way to one channel may exceed 1.
        for frame in (*_until(container.decode(audio=0), stretch.end), None):
            if frame is not None and begin is None:
                begin = float(frame.time or 0.0) if stretch.offset else 0.0
            blocks.extend(part.to_ndarray().mean(axis=0) for part in resampler.resample(frame))
    if not blocks:
        where = f" from second {stretch.offset:g} on" if stretch.offset else ""
        raise record.error(f"{_named(role, media_source(record, role))} is empty{where}: correct the row, or remove it")
    samples: NDArray[np.float32] = numpy.concatenate(blocks).astype(numpy.float32, copy=False)
    return stretch.cut(samples, rate=rate, begin=begin or 0.0, record=record)


def _check_pictures(stream: Any, record: Record, role: str) -> None:
    try:
        check_picture(width=stream.width, height=stream.height)
    except PictureError as error:
        raise record.error(f"{_named(role, media_source(record, role))} {error}") from None


def _until(frames: Iterator[Any], end: float | None) -> Iterator[Any]:
    """Frames up to the first that begins after ``end`` seconds."""
    for frame in frames:
        if end is not None and frame.time is not None and frame.time > end:
            return
        yield frame


@contextmanager
def _container(record: Record, role: str, *, use: str) -> Iterator[Any]:
    """A media file, opened; whatever goes wrong with it in the block is an error with file and row."""
    av = library("av", use=use)
    source = media_source(record, role)
    try:
        with av.open(str(source) if isinstance(source, Path) else source) as container:
            yield container
    except FileNotFoundError:
        raise record.error(f"{_named(role, source)} does not exist: put it there, or remove the row") from None
    except (OSError, ValueError, av.FFmpegError) as error:
        raise record.error(f"{_named(role, source)} cannot be decoded: {_line(error)}. Repair or remove it") from error


def _named(role: str, source: object) -> str:
    return f"{role} {source.name}" if isinstance(source, Path) else role


def _line(error: Exception) -> str:
    said = getattr(error, "strerror", None) or str(error)
    return (said.splitlines() or [type(error).__name__])[0]
