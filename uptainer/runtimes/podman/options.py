"""Which options of `podman run` a new container keeps, and which can't be kept and why: data that explains itself."""

from collections.abc import Iterator, Mapping

from uptainer.runtimes.podman.create_command import CreateCommand

_OF_THE_CLIENT = (
    "arch attach authfile creds decryption-key detach detach-keys disable-content-trust name os platform pull quiet "
    "replace retry retry-delay sig-proxy tls-verify variant cert-dir help label-file env-file"
)
OF_THE_CLIENT = frozenset(_OF_THE_CLIENT.split())
"""They act on the client or on the pull, or are shown by what they brought."""

_KEPT = (
    "add-host annotation blkio-weight blkio-weight-device cap-add cap-drop cgroup-conf cgroup-parent cgroupns cgroups "
    "chrootdirs conmon-pidfile cpu-period cpu-quota cpu-rt-period cpu-rt-runtime cpu-shares cpus cpuset-cpus "
    "cpuset-mems device device-cgroup-rule device-read-bps device-read-iops device-write-bps device-write-iops dns "
    "dns-option dns-search entrypoint env env-host expose gidmap group-add health-cmd health-interval "
    "health-on-failure health-retries health-start-period health-timeout hostname hostuser http-proxy image-volume "
    "init init-ctr init-path interactive ip ip6 ipc label log-driver log-opt mac-address memory memory-reservation "
    "memory-swap memory-swappiness mount network network-alias no-healthcheck no-hosts oom-kill-disable oom-score-adj "
    "passwd passwd-entry pid pidfile pids-limit pod privileged publish publish-all read-only read-only-tmpfs requires "
    "restart sdnotify secret security-opt shm-size stop-signal stop-timeout subgidname subuidname sysctl systemd "
    "timeout tmpfs tty tz uidmap ulimit umask unsetenv unsetenv-all user userns uts volume volumes-from "
    "workdir"
)
KEPT = frozenset(_KEPT.split())
"""`specification` carries each of these over."""

_FIELDS_OF_MOUNTS = (
    "type source src target destination dst readonly ro rw bind-propagation consistency tmpfs-size tmpfs-mode"
)
_MOUNT_FIELDS = frozenset(_FIELDS_OF_MOUNTS.split())

REFUSED: Mapping[str, str] = {
    "rm": "stopping it removes it, and there would be no way back: start it without --rm",
    "rmi": "its image goes with it: start it without --rmi",
    "rootfs": "it runs from a folder (--rootfs), and from no image that could be newer",
    "preserve-fds": "it was given open files of the process that made it (--preserve-fds), and they are gone",
    "preserve-fd": "it was given open files of the process that made it (--preserve-fd), and they are gone",
    "cidfile": "its id stands in a file (--cidfile) that this can't write anew: make it without, or as a unit",
    "pod-id-file": "its pod is named by a file (--pod-id-file) that may be gone: name it with --pod",
    "personality": "Podman does not tell how --personality would be asked for over its API",
    "seccomp-policy": "its seccomp profile may come from its old image (--seccomp-policy)",
    "volume-driver": "--volume-driver is not known to bring the same volume again",
}


def refusals(command: CreateCommand) -> Iterator[str]:
    """Why this container could not be made again as it was asked for; nothing where it can."""
    for name in command.options:
        if name in ("rm", "rmi", "rootfs") and not command.is_on(name):
            continue
        if reason := REFUSED.get(name):
            yield reason
        elif name not in KEPT and name not in OF_THE_CLIENT:
            yield f"Uptainer does not know the option --{name}, and might lose what it stands for"
    yield from _lost_mounts(command)


def _lost_mounts(command: CreateCommand) -> Iterator[str]:
    for volume in command.values("volume"):
        if {"O", "U", "idmap"} & set(volume.rpartition(":")[2].split(",")) and ":" in volume:
            yield f"Podman does not show how --volume {volume} would be asked for again (O, U, idmap)"
    for mount in command.values("mount"):
        fields = mount.split(",")
        kinds = [field.partition("=")[2] for field in fields if field.startswith("type=")]
        if kinds and kinds[0] not in ("bind", "volume", "tmpfs"):
            yield f"Podman does not show how --mount {mount} would be asked for again"
        if unknown := [field for field in fields if field.partition("=")[0] not in _MOUNT_FIELDS]:
            yield f"Podman does not show how --mount {mount} would be asked for again ({', '.join(unknown)})"
