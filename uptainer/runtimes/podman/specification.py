"""From a container as Podman shows it, and the command line that made it, to what libpod would create again. Pure.

Only what the user asked for is asked for again: the new image's defaults come through. What is shown is taken from
there, for it is normalised; what is not shown (secrets, sysctls, static addresses ...) from the command line.

Source: libpod API, `SpecGenerator` (https://docs.podman.io/en/latest/_static/api.html, ContainerCreateLibpod).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from uptainer.runtimes.podman import limits, mounting, networking, security
from uptainer.runtimes.podman.create_command import CreateCommand, parse, with_image
from uptainer.runtimes.podman.values import entrypoint_of, pairs, secret_fields, size

Json = Mapping[str, Any]

OF_THIS_CONTAINER = frozenset({"container", "HOSTNAME", "container_uuid"})
AUTOMATIC = OF_THIS_CONTAINER | {"TERM", "HOME"}
"""Variables that Podman sets by itself at the start."""
_PROXIES = frozenset({"http_proxy", "https_proxy", "ftp_proxy", "no_proxy"})
_ON_FAILURE = {"none": 0, "kill": 2, "restart": 3, "stop": 4}
_OF_THE_CLIENT = (
    "io.kubernetes.cri-o.TTY",
    *(f"io.podman.annotations.{name}" for name in ("apparmor", "label", "seccomp")),
)
"""Annotations that the command line client makes of its options."""


@dataclass(frozen=True, slots=True)
class Old:
    """What is to be made again. `names_of`: from the id of each container on the host to its name.

    `pod` is the name of the pod that it is in, and `inherited` are destinations that come with `--volumes-from`.
    """

    container: Json
    image: Json
    command: CreateCommand
    names_of: Mapping[str, str]
    pod: str | None = None
    inherited: frozenset[str] = field(default_factory=frozenset)

    @property
    def config(self) -> Json:
        config: Json = self.container["Config"]
        return config

    @property
    def host(self) -> Json:
        host: Json = self.container["HostConfig"]
        return host

    @property
    def image_config(self) -> Json:
        return self.image.get("Config") or {}


def specification(old: Old, name: str, reference: str) -> dict[str, Any]:
    """The body of `POST /libpod/containers/create`, for the image that `reference` names."""
    parts = (
        _identity(old, name, reference),
        _process(old),
        _life(old),
        _health(old),
        networking.settings(old.container, old.command, old.names_of, pod=old.pod),
        mounting.settings(old.container, old.command, old.inherited),
        security.settings(old.container, old.command, old.names_of),
        limits.settings(old.host, old.command),
    )
    return {key: value for part in parts for key, value in part.items() if value not in (None, {}, [], "")}


def _identity(old: Old, name: str, reference: str) -> dict[str, Any]:
    words = old.config.get("CreateCommand") or []
    return {
        "name": name,
        "image": reference,
        "raw_image_name": reference,
        "pod": old.pod,
        "labels": _own_labels(old),
        "annotations": _annotations(old),
        "containerCreateCommand": with_image(words, old.command.image, reference),
        "init_container_type": old.command.value("init-ctr"),
        "dependencyContainers": [
            name for value in old.command.values("requires") for name in value.split(",") if name
        ],
    }


def _own_labels(old: Old) -> dict[str, str]:
    """Those that were asked for, and those that are not the image's."""
    asked, defaults = pairs(old.command.values("label")), old.image_config.get("Labels") or {}
    shown = old.config.get("Labels") or {}
    return {name: value for name, value in shown.items() if name in asked or defaults.get(name) != value}


def _annotations(old: Old) -> dict[str, str]:
    asked = pairs(old.command.values("annotation"))
    shown = old.config.get("Annotations") or {}
    return asked | {name: shown[name] for name in _OF_THE_CLIENT if name in shown}


def _process(old: Old) -> dict[str, Any]:
    command = old.command
    return {
        "entrypoint": entrypoint_of(command.value("entrypoint")),
        "command": list(command.arguments),
        "env": own_environment(old),
        "httpproxy": command.is_on("http-proxy", default=True),
        "unsetenv": list(command.values("unsetenv")),
        "unsetenvall": command.is_on("unsetenv-all") or None,
        "terminal": old.config.get("Tty"),
        "stdin": old.config.get("OpenStdin"),
        "init": command.is_on("init") or None,
        "init_path": command.value("init-path"),
        "work_dir": old.config.get("WorkingDir") if command.has("workdir") else None,
        "create_working_dir": command.has("workdir") or None,
        "secret_env": secrets_in_environment(command),
    }


def own_environment(old: Old) -> dict[str, str]:
    """Neither the image's, nor what Podman sets, nor the values of secrets, which it sets at each start.

    Podman does not show which variables came from a file or from the client: what it might have set is the user's then.
    """
    defaults = set(old.image_config.get("Env") or ())
    asked = {each.partition("=")[0] for each in old.command.values("env")}
    automatic = OF_THIS_CONTAINER if old.command.has("env-file", "env-host") else AUTOMATIC | _PROXIES
    secret = set(secrets_in_environment(old.command))
    own: dict[str, str] = {}
    for each in old.config.get("Env") or ():
        name, _, value = each.partition("=")
        is_automatic = name in automatic or name.lower() in automatic & _PROXIES
        is_ours = each not in defaults and not is_automatic
        if (name in asked or is_ours) and name not in secret:
            own[name] = value
    return own


def secrets_in_environment(command: CreateCommand) -> dict[str, str]:
    each_of = map(secret_fields, command.values("secret"))
    return {
        fields.get("target") or fields["source"]: fields["source"]
        for fields in each_of
        if fields["type"] == "env"
    }


def without_secrets(container: Json) -> dict[str, Any]:
    """The container as shown, but for the values of secrets among its variables."""
    config = container["Config"]
    command = parse(config.get("CreateCommand") or ())
    secret = set(secrets_in_environment(command)) if command else set()
    variables = [_blanked(each, secret) for each in config.get("Env") or ()]
    return {**container, "Config": {**config, "Env": variables}}


def _blanked(variable: str, secret: set[str]) -> str:
    name, sign, _ = variable.partition("=")
    return name + sign if name in secret else variable


def _life(old: Old) -> dict[str, Any]:
    policy = old.host.get("RestartPolicy") or {}
    command, config = old.command, old.config
    return {
        "restart_policy": policy.get("Name"),
        "restart_tries": policy.get("MaximumRetryCount") or None,
        "stop_signal": config.get("StopSignal") if command.has("stop-signal") else None,
        "stop_timeout": config.get("StopTimeout"),
        "timeout": config.get("Timeout") or None,
        "timezone": config.get("Timezone"),
        "umask": config.get("Umask") if command.has("umask") else None,
        "systemd": command.value("systemd"),
        "sdnotifyMode": config.get("sdNotifyMode"),
        "pid_file": command.value("pidfile"),
        "conmon_pid_file": command.value("conmon-pidfile"),
        "oci_runtime": old.container.get("OCIRuntime"),
        "log_configuration": _logging(old),
    }


def _logging(old: Old) -> dict[str, Any]:
    options = pairs(old.command.values("log-opt"))
    path, limit = options.pop("path", None), options.pop("max-size", None)
    made = {
        "driver": old.host["LogConfig"]["Type"],
        "path": path,
        "size": size(limit, 1000) if limit else None,
        "options": options,
    }
    return {name: value for name, value in made.items() if value}


def _health(old: Old) -> dict[str, Any]:
    """The image's own check comes through; what the user set stands instead of it as a whole."""
    action = old.config.get("HealthcheckOnFailureAction") or "none"
    if old.command.is_on("no-healthcheck"):
        return {"healthconfig": {"Test": ["NONE"]}}
    asked = old.command.has("health-cmd")
    return {
        "healthconfig": old.config.get("Healthcheck") if asked else None,
        "health_check_on_failure_action": _ON_FAILURE.get(action) or None,
    }
