"""Registries' notifications: whose they are, what was pushed, and the receiver that takes them."""
