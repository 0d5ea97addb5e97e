"""Docker Engine behind the port: read, operate, replace, and move volume data, all through its HTTP API."""
