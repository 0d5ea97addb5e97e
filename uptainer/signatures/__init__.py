"""Signatures of images as cosign writes them: where they are, what they name, and whether somebody trusted made them."""
