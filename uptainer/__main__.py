"""`python -m uptainer` is `uptainer`."""

from uptainer.cli.main import main

main()
