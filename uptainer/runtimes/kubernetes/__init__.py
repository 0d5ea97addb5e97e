"""Kubernetes behind the port."""
