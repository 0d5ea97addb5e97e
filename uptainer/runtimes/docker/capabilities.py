from uptainer.runtimes.capabilities import Table

TABLE: Table = {"container": {}}
