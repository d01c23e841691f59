"""Between tensors and image files. Images in memory are floats in -1..1, channels x height x width."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from hostler_data.pictures import TOO_LARGE, PictureError, check_picture, with_eight_bits

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
CHANNELS = frozenset(_MODES)
"""Numbers of channels that an image file can have."""


class UnreadableImageError(Exception):
    """Bytes that are no image; the message says why."""


def to_bytes(images: torch.Tensor) -> torch.Tensor:
    """Floats in -1..1 as uint8; what lies outside is cut."""
    return ((images.detach().float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).cpu()


def to_floats(images: torch.Tensor) -> torch.Tensor:
    """uint8 as floats in -1..1."""
    return images.float() / 127.5 - 1


def encode_png(image: torch.Tensor) -> bytes:
    """One image (channels x height x width in -1..1) as a file."""
    buffer = io.BytesIO()
    _picture(to_bytes(image)).save(buffer, format="PNG")
    return buffer.getvalue()


def decode_image_file(content: bytes, *, size: int, channels: int) -> torch.Tensor:
    """A file as an image of this size in -1..1, scaled to cover it. Raises ``UnreadableImageError``."""
    from PIL import ImageOps

    try:
        with Image.open(io.BytesIO(content)) as file:
            check_picture(width=file.width, height=file.height)
            image = ImageOps.exif_transpose(with_eight_bits(file)).convert(_MODES[channels])
            image = ImageOps.fit(image, (size, size), method=Image.Resampling.BICUBIC)
    except UnidentifiedImageError:
        raise UnreadableImageError("it is not an image file") from None
    except Image.DecompressionBombError:
        raise UnreadableImageError(f"it {TOO_LARGE}") from None
    except PictureError as error:
        raise UnreadableImageError(f"it {error}") from None
    except (OSError, ValueError, SyntaxError) as error:
        raise UnreadableImageError(f"it cannot be decoded: {error}") from error
    pixels = np.asarray(image, dtype=np.uint8).reshape(size, size, channels)
    return to_floats(torch.from_numpy(pixels.copy()).permute(2, 0, 1))


def write_grid(images: torch.Tensor, path: Path) -> None:
    """Images (count x channels x height x width in -1..1) side by side in one file, as square as they go."""
    count, channels, height, width = images.shape
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    grid = torch.zeros(channels, rows * height, columns * width, dtype=torch.uint8)
    for index, image in enumerate(to_bytes(images)):
        top, left = index // columns * height, index % columns * width
        grid[:, top : top + height, left : left + width] = image
    _picture(grid).save(path)


def _picture(pixels: torch.Tensor) -> Image.Image:
    array = pixels.permute(1, 2, 0).numpy()
    return Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)
