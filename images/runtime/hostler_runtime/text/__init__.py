"""What the families that read and write text share: tokenizers, packed batches, decoders."""
