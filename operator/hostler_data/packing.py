"""Several sequences in one row: which go together (arXiv 2107.02027, arXiv 2404.10830). Plain Python.

Two ways to choose, and two kinds of input. Both sort lengths downwards and put each sequence into an open pack that has
room: ``best-fit`` into the one with the least room, which fills packs best; ``spfhp`` (shortest-pack-first histogram
packing) into the one with the most room, which keeps packs even and works well with few sequences in each.

Packing works on a histogram of lengths, so that its time depends on the number of different lengths, not of sequences.
No sequence is ever dropped: one that is longer than a pack is an error, or is cut first by ``chunk_lengths``.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from hostler_data.words import counted

Strategy = Literal["best-fit", "spfhp"]


class PackingError(ValueError):
    """Lengths that cannot be packed; the message names the length and the way out."""


@dataclass(frozen=True)
class Pack:
    """Packs of one kind."""

    lengths: tuple[int, ...]
    """What lies in each, the longest first."""
    count: int
    """How many there are."""


@dataclass(frozen=True)
class Packing:
    """How all sequences of a histogram are packed."""

    packs: tuple[Pack, ...]
    max_length: int
    sequences: int
    tokens: int

    @property
    def rows(self) -> int:
        """Packs in all."""
        return sum(pack.count for pack in self.packs)

    @property
    def efficiency(self) -> float:
        """Share of positions that hold tokens; without packing it is ``tokens / (sequences * max_length)``."""
        return self.tokens / (self.rows * self.max_length)

    @property
    def factor(self) -> float:
        """Sequences per pack: how many times fewer rows there are than without packing."""
        return self.sequences / self.rows

    @property
    def bound(self) -> float:
        """The factor that no packing can exceed: padding would be gone."""
        return self.sequences * self.max_length / self.tokens


def pack_histogram(
    counts: Mapping[int, int], *, max_length: int, strategy: Strategy = "best-fit", max_per_pack: int | None = None
) -> Packing:
    """Pack ``counts`` (length to number of sequences of that length) as the paper does: sequences of one length that
    no open pack has room for begin a pack each, and only shorter ones join them. That suits millions of sequences of
    many lengths; for a few, ``pack_lengths`` packs better. Raises ``PackingError``."""
    return _pack(counts, max_length=max_length, strategy=strategy, max_per_pack=max_per_pack, stacked=False)


def pack_lengths(
    lengths: Sequence[int], *, max_length: int, strategy: Strategy = "best-fit", max_per_pack: int | None = None
) -> list[list[int]]:
    """Indices of ``lengths`` in packs, chosen one sequence after the other; every index is in exactly one pack. The
    same lengths give the same packs, and sequences of equal length keep their order. Raises ``PackingError``."""
    waiting: defaultdict[int, deque[int]] = defaultdict(deque)
    for index, length in enumerate(lengths):
        waiting[length].append(index)
    counts = {length: len(indices) for length, indices in waiting.items()}
    packing = expect(counts, max_length=max_length, strategy=strategy, max_per_pack=max_per_pack)
    take = {length: indices.popleft for length, indices in waiting.items()}
    return [[take[length]() for length in pack.lengths] for pack in packing.packs for _ in range(pack.count)]


def expect(
    counts: Mapping[int, int], *, max_length: int, strategy: Strategy = "best-fit", max_per_pack: int | None = None
) -> Packing:
    """What ``pack_lengths`` makes of sequences with these lengths. Raises ``PackingError``."""
    return _pack(counts, max_length=max_length, strategy=strategy, max_per_pack=max_per_pack, stacked=True)


def chunk_lengths(length: int, *, max_length: int) -> list[int]:
    """Pieces that a sequence of ``length`` is cut into: full ones and the rest. Nothing is lost."""
    full, rest = divmod(length, max_length)
    return [max_length] * full + ([rest] if rest else [])


def histogram(lengths: Sequence[int]) -> dict[int, int]:
    """Length to number of sequences."""
    return dict(sorted(Counter(lengths).items()))


def _pack(
    counts: Mapping[int, int], *, max_length: int, strategy: Strategy, max_per_pack: int | None, stacked: bool
) -> Packing:
    _check(counts, max_length=max_length, max_per_pack=max_per_pack)
    packs = _Open(max_length, max_per_pack=max_per_pack)
    for length in sorted((length for length, count in counts.items() if count), reverse=True):
        _place(packs, length, counts[length], strategy=strategy, stacked=stacked)
    return Packing(
        packs=tuple(packs.packs()),
        max_length=max_length,
        sequences=sum(counts.values()),
        tokens=sum(length * count for length, count in counts.items()),
    )


class _Open:
    """Packs by the room that is left in them; closed ones have none or hold as many sequences as they may."""

    def __init__(self, max_length: int, *, max_per_pack: int | None) -> None:
        self.max_length = max_length
        self.depth = max_per_pack
        self._closed: Counter[tuple[int, ...]] = Counter()
        self._by_room: dict[int, list[tuple[tuple[int, ...], int]]] = {}
        self._rooms: list[int] = []
        """Keys of ``_by_room``, ascending."""

    def roomiest(self, length: int) -> int:
        """The most room that an open pack has; 0 where ``length`` does not fit into it."""
        return self._rooms[-1] if self._rooms and self._rooms[-1] >= length else 0

    def tightest(self, length: int) -> int:
        """The least room that ``length`` fits into; 0 where no open pack has it."""
        place = bisect_left(self._rooms, length)
        return self._rooms[place] if place < len(self._rooms) else 0

    def capacity(self, lengths: tuple[int, ...], *, room: int, length: int) -> int:
        """How many sequences of ``length`` fit into a pack."""
        most = room // length
        return most if self.depth is None else min(most, self.depth - len(lengths))

    def take(self, room: int, most: int) -> tuple[tuple[int, ...], int]:
        """Up to ``most`` equal packs with this room, out of the store."""
        group = self._by_room[room]
        lengths, count = group.pop()
        if count > most:
            group.append((lengths, count - most))
            count = most
        if not group:
            del self._by_room[room]
            del self._rooms[bisect_left(self._rooms, room)]
        return lengths, count

    def put(self, lengths: tuple[int, ...], count: int, *, room: int) -> None:
        """Store packs with ``room`` left."""
        if not room or len(lengths) == self.depth:
            self._closed[lengths] += count
            return
        if room not in self._by_room:
            self._by_room[room] = []
            insort(self._rooms, room)
        self._by_room[room].append((lengths, count))

    def packs(self) -> Iterator[Pack]:
        """All packs, the fullest first."""
        everything = Counter(self._closed)
        for group in self._by_room.values():
            for lengths, count in group:
                everything[lengths] += count
        for lengths, count in sorted(everything.items(), key=lambda item: (-sum(item[0]), item[0])):
            yield Pack(lengths, count)


def _place(packs: _Open, length: int, number: int, *, strategy: Strategy, stacked: bool) -> None:
    """Equal sequences into equal packs, as many at a time as there are of both."""
    find = packs.tightest if strategy == "best-fit" else packs.roomiest
    while number:
        room = find(length)
        lengths, available = packs.take(room, number) if room else ((), number)
        room = room or packs.max_length
        # One after the other, equal sequences follow each other into a pack that is the tightest, or the only one.
        follow = stacked and (strategy == "best-fit" or not lengths)
        each = min(number, packs.capacity(lengths, room=room, length=length) if follow else 1)
        used = min(available, number // each)
        packs.put((*lengths, *[length] * each), used, room=room - each * length)
        number -= used * each
        if lengths and used < available:
            packs.put(lengths, available - used, room=room)


def _check(counts: Mapping[int, int], *, max_length: int, max_per_pack: int | None) -> None:
    if max_length < 1:
        raise PackingError(f"the longest pack has {max_length} tokens: give at least 1")
    if max_per_pack is not None and max_per_pack < 1:
        raise PackingError(f"a pack may hold {max_per_pack} sequences: give at least 1")
    if not any(counts.values()):
        raise PackingError("there is no sequence to pack")
    for length, count in counts.items():
        if count < 0:
            raise PackingError(f"there are {count} sequences of length {length}: counts are not negative")
        if count and length < 1:
            raise PackingError(f"{counted(count, 'sequence')} of length {length}: leave empty ones out")
        if count and length > max_length:
            raise PackingError(
                f"{counted(count, 'sequence')} of length {length} cannot be in packs of {max_length}: "
                "cut first what is too long, or make packs longer"
            )
