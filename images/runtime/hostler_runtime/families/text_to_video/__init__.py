"""Clips from text: latent diffusion with a 3-D U-Net, and super-resolution after it.

``training`` makes models and ``serving`` answers with them. A model is a directory in diffusers' layout: a part in each
folder, named by ``model_index.json``.
"""
