"""Generative adversarial networks on images, conditional where the data has labels.

The artifacts are of a small format of our own, because the ecosystem has none. ``config.json`` (``_class_name``
HostlerGenerator, its sizes, and ``classes``, the names of the labels) and ``diffusion_pytorch_model.safetensors`` are
the averaged generator's; ``discriminator/`` holds the same of its opponent, which only fine-tuning needs.
"""
