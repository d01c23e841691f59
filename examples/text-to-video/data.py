"""Clips of moving digits for a claim: ``python3 data.py clips.tar``.

Scikit-learn's 1,797 handwritten digits (licence BSD-3-Clause), each on its way through the middle of a dark picture of
32 x 32 pixels, left, right, up or down. The file is a WebDataset shard: an MP4 and a caption for each clip,

    00007.mp4, 00007.txt: "a seven moving left"

Needs scikit-learn, Pillow and av, which the environment of the runtime's tests has. ``claim.yaml`` says how it gets to
the claim that the TrainingJob names, 6 MiB.
"""

from __future__ import annotations

import io
import random
import sys
import tarfile

import av
import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
DIRECTIONS = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0)}
SIZE, DIGIT = 32, 16
"""Pixels of a picture's side, and of a digit's."""
FRAMES, FRAMES_PER_SECOND, STEP = 6, 6, 2
"""Length and speed of a clip, and pixels that a digit moves between two frames."""


def clip(digit: np.ndarray, direction: str) -> list[np.ndarray]:
    """The frames of one clip, in grey."""
    down, right = DIRECTIONS[direction]
    pixels = np.asarray(Image.fromarray(digit).resize((DIGIT, DIGIT), Image.Resampling.BICUBIC))
    frames = []
    for index in range(FRAMES):
        way, middle = STEP * index - STEP * (FRAMES - 1) // 2, (SIZE - DIGIT) // 2
        top, left = middle + down * way, middle + right * way
        frame = np.zeros((SIZE, SIZE), dtype=np.uint8)
        frame[top : top + DIGIT, left : left + DIGIT] = pixels
        frames.append(frame)
    return frames


def mp4(frames: list[np.ndarray]) -> bytes:
    """A file in H.264."""
    file = io.BytesIO()
    with av.open(file, mode="w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FRAMES_PER_SECOND)
        stream.width, stream.height, stream.pix_fmt, stream.options = SIZE, SIZE, "yuv420p", {"crf": "10"}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.stack([frame] * 3, axis=-1), format="rgb24")))
        container.mux(stream.encode())
    return file.getvalue()


def main(target: str, count: str | None = None) -> None:
    """Write a clip of every digit; a second argument makes fewer."""
    images, labels = (all_of_them[: int(count) if count else None] for all_of_them in load_digits(return_X_y=True))
    ways = random.Random(0)
    with tarfile.open(target, "w") as shard:
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            direction = ways.choice(list(DIRECTIONS))
            digit = np.round(image * (255 / 16)).astype(np.uint8).reshape(8, 8)
            caption = f"a {WORDS[label]} moving {direction}"
            for extension, content in (("mp4", mp4(clip(digit, direction))), ("txt", caption.encode())):
                member = tarfile.TarInfo(f"{number:05d}.{extension}")
                member.size = len(content)
                shard.addfile(member, io.BytesIO(content))


if __name__ == "__main__":
    main(*sys.argv[1:])
