"""Pod Security Standards, profile *restricted*: what Kubernetes would refuse of a pod in a namespace that enforces it.

The controls are those of https://kubernetes.io/docs/concepts/security/pod-security-standards/, for Linux, baseline's
included; a finding starts with the words of the API server's own refusal.
"""

SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
}
VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
SELINUX_TYPES = {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
SECCOMP = {"RuntimeDefault", "Localhost"}
APPARMOR = {"RuntimeDefault", "Localhost"}
APPARMOR_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/"


def containers(spec):
    """Return all containers of a pod spec, those that start first and those for debugging included."""
    kinds = ("initContainers", "containers", "ephemeralContainers")
    return [container for kind in kinds for container in spec.get(kind) or []]


def violations(pod):
    """Return what the profile finds wrong with a pod (metadata and spec), a line each."""
    return [*_of_pod(pod), *(text for one in containers(pod["spec"]) for text in _of_container(one, pod["spec"]))]


def _of_pod(pod):
    spec = pod["spec"]
    context = spec.get("securityContext") or {}
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(name):
            yield f"host namespaces ({name})"
    for volume in spec.get("volumes") or []:
        if not set(volume) - {"name"} <= VOLUMES:
            yield f"restricted volume types ({volume['name']})"
    for sysctl in context.get("sysctls") or []:
        if sysctl["name"] not in SYSCTLS:
            yield f"forbidden sysctls ({sysctl['name']})"
    for name, value in (pod.get("metadata", {}).get("annotations") or {}).items():
        allowed = value in ("", "runtime/default") or value.startswith("localhost/")
        if name.startswith(APPARMOR_ANNOTATION) and not allowed:
            yield f"forbidden AppArmor profile ({name})"
    yield from _of_context(context, "pod")


def _of_context(context, who):
    """Yield what is wrong with a security context of a pod or a container."""
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield f"hostProcess ({who})"
    if (context.get("appArmorProfile") or {}).get("type", "RuntimeDefault") not in APPARMOR:
        yield f"forbidden AppArmor profile ({who})"
    selinux = context.get("seLinuxOptions") or {}
    if selinux.get("type", "") not in SELINUX_TYPES or selinux.get("user") or selinux.get("role"):
        yield f"seLinuxOptions ({who})"
    if (context.get("seccompProfile") or {}).get("type", "RuntimeDefault") not in SECCOMP:
        yield f"seccompProfile ({who})"
    if context.get("runAsUser") == 0:
        yield f"runAsUser=0 ({who})"
    if context.get("runAsNonRoot") is False:
        yield f"runAsNonRoot != true ({who})"


def _of_container(container, spec):
    name, context, above = container["name"], container.get("securityContext") or {}, spec.get("securityContext") or {}
    yield from _of_context(context, name)
    if context.get("privileged"):
        yield f"privileged ({name})"
    if context.get("allowPrivilegeEscalation") is not False:
        yield f"allowPrivilegeEscalation != false ({name})"
    capabilities = context.get("capabilities") or {}
    if "ALL" not in (capabilities.get("drop") or []) or set(capabilities.get("add") or []) - {"NET_BIND_SERVICE"}:
        yield f"unrestricted capabilities ({name})"
    if context.get("procMount", "Default") != "Default":
        yield f"procMount ({name})"
    if not (context.get("runAsNonRoot") or above.get("runAsNonRoot")):
        yield f"runAsNonRoot != true ({name})"
    if not (context.get("seccompProfile") or above.get("seccompProfile")):
        yield f"seccompProfile ({name})"
    if any(port.get("hostPort") for port in container.get("ports") or []):
        yield f"hostPort ({name})"
    handlers = [container.get(probe) or {} for probe in ("livenessProbe", "readinessProbe", "startupProbe")]
    handlers += (container.get("lifecycle") or {}).values()
    if any((handler.get(kind) or {}).get("host") for handler in handlers for kind in ("httpGet", "tcpSocket")):
        yield f"probe or lifecycle host ({name})"
