"""Per kind: gather, decide, act, status."""
