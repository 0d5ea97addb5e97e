"""Stands: one kind of workload on one real engine each, so that the same tests run against every runtime."""
