"""Providers whose registries take a login that is asked for first, and holds for hours: each its own way."""
