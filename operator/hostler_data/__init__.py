"""Data for models: reading, checking, describing and packing it. No torch and no Kubernetes client.

The command line (``hostler data``), the trainer and the server share it, so that what a check says is what training
meets.
"""
