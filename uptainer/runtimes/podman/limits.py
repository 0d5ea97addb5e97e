"""What a container may use at most, as it was asked for. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from uptainer.runtimes.podman.create_command import CreateCommand
from uptainer.runtimes.podman.values import pairs

Json = Mapping[str, Any]


def settings(host: Json, command: CreateCommand) -> dict[str, Any]:
    resources = {
        "memory": _memory(host, command),
        "cpu": _cpu(host, command),
        "pids": {"limit": host["PidsLimit"]} if command.has("pids-limit") else None,
        "blockIO": {"weight": host["BlkioWeight"]} if command.has("blkio-weight") else None,
    }
    return {
        "resource_limits": {name: value for name, value in resources.items() if value},
        "oom_score_adj": host.get("OomScoreAdj") if command.has("oom-score-adj") else None,
        "r_limits": [_ulimit(each) for each in host.get("Ulimits") or ()],
        "weightDevice": {
            each["Path"]: {"weight": each["Weight"]} for each in host.get("BlkioWeightDevice") or ()
        },
        "throttleReadBpsDevice": _rates(host.get("BlkioDeviceReadBps")),
        "throttleWriteBpsDevice": _rates(host.get("BlkioDeviceWriteBps")),
        "throttleReadIOPSDevice": _rates(host.get("BlkioDeviceReadIOps")),
        "throttleWriteIOPSDevice": _rates(host.get("BlkioDeviceWriteIOps")),
        "unified": pairs(command.values("cgroup-conf")),
        "sysctl": pairs(command.values("sysctl")),
    }


def _memory(host: Json, command: CreateCommand) -> dict[str, Any]:
    shown = {
        "limit": ("memory", host.get("Memory")),
        "reservation": ("memory-reservation", host.get("MemoryReservation")),
        "swap": ("memory", host.get("MemorySwap")),
        "swappiness": ("memory-swappiness", host.get("MemorySwappiness")),
        "disableOOMKiller": ("oom-kill-disable", host.get("OomKillDisable")),
    }
    return {
        name: value
        for name, (option, value) in shown.items()
        if command.has(option) and (value or name == "swappiness")
    }


def _cpu(host: Json, command: CreateCommand) -> dict[str, Any]:
    shown = {
        "shares": host.get("CpuShares"),
        "period": host.get("CpuPeriod"),
        "quota": host.get("CpuQuota"),
        "realtimePeriod": host.get("CpuRealtimePeriod"),
        "realtimeRuntime": host.get("CpuRealtimeRuntime"),
        "cpus": host.get("CpusetCpus"),
        "mems": host.get("CpusetMems"),
    }
    asked = command.has(
        *("cpu-shares", "cpus", "cpu-period", "cpu-quota", "cpu-rt-period", "cpu-rt-runtime"),
        *("cpuset-cpus", "cpuset-mems"),
    )
    return {name: value for name, value in shown.items() if asked and value}


def _ulimit(shown: Json) -> dict[str, Any]:
    """Podman shows `RLIMIT_NOFILE` for what it takes as `nofile`."""
    return {
        "type": str(shown["Name"]).removeprefix("RLIMIT_").lower(),
        "hard": shown["Hard"],
        "soft": shown["Soft"],
    }


def _rates(shown: Sequence[Json] | None) -> dict[str, Any]:
    return {each["Path"]: {"rate": each["Rate"]} for each in shown or ()}
