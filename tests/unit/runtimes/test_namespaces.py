"""Who would be cut off when a container is stopped and started again by itself."""

from typing import Any

import pytest

from uptainer.core.errors import RefusedError
from uptainer.runtimes.engine.namespaces import refuse_cutting_off

ID = "f00d" * 16
Json = dict[str, Any]


def container(name: str = "client", *, runs: bool = True, paused: bool = False, **host: str) -> Json:
    state = {"Running": runs, "Paused": paused}
    return {"Id": "c0de" * 16, "Name": f"/{name}", "State": state, "HostConfig": host}


WEB: Json = {**container("web"), "Id": ID}


@pytest.mark.parametrize(
    ("lives", "where"),
    [
        (container(NetworkMode=f"container:{ID}"), "client (its network)"),
        (container(NetworkMode=f"container:{ID[:12]}"), "client (its network)"),
        (container(PidMode="container:web"), "client (its processes)"),
        (container(IpcMode="container:web"), "client (its IPC namespace)"),
        (container(runs=False, paused=True, PidMode="container:web"), "client (its processes)"),
    ],
)
def test_who_runs_in_a_namespace_that_would_end_is_named(lives: Json, where: str) -> None:
    with pytest.raises(RefusedError, match="others that run live in web") as refused:
        refuse_cutting_off(WEB, [WEB, container("other"), lives])
    assert f": {where}. Stop them first" in str(refused.value)


@pytest.mark.parametrize(
    "lives",
    [
        container(NetworkMode="bridge", IpcMode="shareable", PidMode=""),
        container(NetworkMode="container:webmail", PidMode="host"),
        container(NetworkMode=f"container:{'beef' * 16}"),
        container(runs=False, NetworkMode=f"container:{ID}"),
    ],
)
def test_nobody_else_is_in_the_way(lives: Json) -> None:
    refuse_cutting_off(WEB, [WEB, lives])
