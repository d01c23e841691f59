"""Decoders of programs, which also fill in the middle: ``training`` makes them, ``serving`` completes with them."""
