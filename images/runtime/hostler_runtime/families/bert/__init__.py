"""Encoders in the style of BERT (arXiv 1810.04805): ``training`` makes them, ``serving`` answers with them.

Sequences of mixed lengths share rows, in training and in serving, without seeing each other (``packing``, ``network``).
"""
