"""The part of the command line that speaks to Prefect.

Prefect reads its settings when it is imported: set the environment before importing from here.
"""
