"""Speech recognition: Whisper, which also translates, and Conformer with CTC.

Reading order: ``formats`` (what both architectures have in common before there is a network), ``whisper`` and
``conformer`` (their formats), ``networks`` (networks and losses), ``recognizers`` and ``decoding`` (from sound to
text), then the two halves.
"""
