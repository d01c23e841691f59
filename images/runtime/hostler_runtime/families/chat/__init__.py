"""Decoder-only language models (GPT): ``training`` makes them, ``serving`` answers with them."""
