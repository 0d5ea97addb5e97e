"""Archives of what a workload keeps, on this machine's disk: written whole or not at all, and verified."""
