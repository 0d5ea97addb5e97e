"""Archives of what a workload keeps, in a store: written whole or not at all, and verified."""
