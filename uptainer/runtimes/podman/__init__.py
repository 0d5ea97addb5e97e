"""Podman, over libpod's own API: the Docker-compatible one loses what this one keeps."""
