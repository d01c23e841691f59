"""What the latent diffusion families share: reading prompts, the losses, and denoising."""
