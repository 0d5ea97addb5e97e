"""What Docker and Podman have in common: the HTTP API of an engine, and the streams that it speaks in."""
