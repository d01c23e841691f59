"""Images from a text: latent diffusion (arXiv 2112.10752) as diffusers' StableDiffusionPipeline has it."""
