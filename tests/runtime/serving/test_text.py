"""Text assembly: no half characters, no piece of a stop string, and in the end exactly the text."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from hostler_runtime.server.text import TextAssembler


def decode_bytes(tokens: Sequence[int]) -> str:
    """A tokenizer whose tokens are single bytes."""
    return bytes(tokens).decode(errors="replace")


def run(text: bytes, *, stop: Sequence[str] = ()) -> tuple[list[str], bool]:
    """Pieces as a stream would send them, and whether a stop string ended it."""
    assembler = TextAssembler(decode_bytes, stop=stop)
    pieces = []
    for byte in text:
        pieces.append(assembler.push(byte))
        if assembler.stopped:
            return pieces, True
    pieces.append(assembler.finish())
    return pieces, assembler.stopped


@pytest.mark.parametrize(
    ("text", "stop", "want"),
    [
        pytest.param("plain", [], ("plain", False), id="plain text"),
        pytest.param("東京の駅", [], ("東京の駅", False), id="characters of three bytes"),
        pytest.param("one\ntwo", ["\n"], ("one", True), id="the stop string itself is left out"),
        pytest.param("abcabd", ["abd"], ("abc", True), id="a stop string that begins twice"),
        pytest.param("aab", ["ab"], ("a", True), id="overlapping beginnings"),
        pytest.param("xENDy", ["DONE", "END"], ("x", True), id="the one that comes first counts"),
        pytest.param("x駅y", ["駅"], ("x", True), id="a stop string of several bytes"),
        pytest.param("almost EN", ["END"], ("almost EN", False), id="an unfinished stop string is text after all"),
        pytest.param("END", ["END"], ("", True), id="nothing but the stop string"),
    ],
)
def test_text_and_stop_strings(text: str, stop: list[str], want: tuple[str, bool]) -> None:
    pieces, stopped = run(text.encode(), stop=stop)
    assert ("".join(pieces), stopped) == want


def test_no_piece_holds_half_a_character() -> None:
    pieces, _ = run("Grüße, 東京, žluť 🚂".encode())
    assert not any("\N{REPLACEMENT CHARACTER}" in piece for piece in pieces)
    assert len([piece for piece in pieces if piece]) == len("Grüße, 東京, žluť 🚂")


def test_pieces_of_random_bytes_join_to_the_whole_decoding() -> None:
    """Untrained models produce broken characters; the stream must agree with the whole text even then."""
    source = random.Random(11)
    for _ in range(300):
        text = bytes(source.choice((0x41, 0xC3, 0xA9, 0xE2, 0x82, 0xAC, 0xF0, 0x9F)) for _ in range(24))
        pieces, _ = run(text)
        assert "".join(pieces) == decode_bytes(list(text)), text


def test_a_held_back_beginning_is_never_sent_before_it_is_certain() -> None:
    pieces, stopped = run(b"abENDcd", stop=["END"])
    assert stopped
    assert "E" not in "".join(pieces)
