"""A node without Kubernetes: it plays rendered manifests in a Docker Engine, as a kubelet would.

It is kubelet, controller and network plugin at once, for one replica of each workload: environment
from ConfigMaps, Secrets and fields, arguments, volumes, security contexts and memory limits are
those of the manifests; init containers run before, Jobs are run again until they end well, probes
come from the node, and NetworkPolicies are rules of iptables in the network namespace of each pod.
It does not schedule, scale, admit or evict.
"""

import base64
import http.client
import json
import os
import re
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.deployment.manifests import Manifest, containers, matches, pod

JOB_TRIES = 10
READY_WAIT_S = 120.0
_VARIABLE = re.compile(r"\$\((\w+)\)")


@dataclass(slots=True)
class Pod:
    """One running pod: its only container that goes on."""

    name: str
    labels: dict[str, str]
    ports: dict[str, int]
    container: str
    address: str = ""
    ready_path: str = "/"
    ready_port: int = 0


@dataclass(slots=True)
class Node:
    """The objects of one namespace, and what runs of them."""

    folder: Path
    environment: Mapping[str, str]
    objects: tuple[Manifest, ...]
    secrets: Mapping[str, Mapping[str, str]]
    network: str
    pods: dict[str, Pod] = field(default_factory=dict[str, Pod])

    # -- the engine

    def docker(self, *words: str, check: bool = True) -> str:
        """Run a command of the engine; returns what it said."""
        done = subprocess.run(
            ["docker", *words],
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, (words, done.stdout)
        return done.stdout.strip()

    def begin(self) -> None:
        """Make the network of the pods."""
        self.docker("network", "create", self.network)

    def end(self) -> None:
        """Remove everything."""
        mine = self.docker("ps", "-aq", "--filter", f"network={self.network}").split()
        if mine:
            self.docker("rm", "-f", *mine, check=False)
        self.docker("network", "rm", self.network, check=False)

    # -- what is not of the manifests: servers that operators run in a cluster

    def serve(self, name: str, alias: str, labels: dict[str, str], *words: str) -> Pod:
        """Run a server beside the manifests."""
        run = ("run", "-d", "--network", self.network, "--network-alias", alias)
        container = self.docker(*run, "--name", f"{self.network}-{name}", *words)
        return self._known(Pod(name, labels, {}, container))

    # -- the kubelet

    def find(self, kind: str, name: str) -> Manifest:
        """Return an object of the namespace; the name of a Job without its release."""
        for each in self.objects:
            found = each["metadata"]["name"]
            if each["kind"] == kind and (found == name or found.startswith(f"{name}-")):
                return each
        raise LookupError(f"{kind} {name}")

    def play(self, kind: str, name: str) -> Pod:
        """Run the pod of a Deployment or StatefulSet; returns when its init containers ended."""
        workload = self.find(kind, name)
        *before, own = containers(workload)
        for each in before:
            said = self._run(workload, each, "run", "--rm")
            (self.folder / f"{name}-{each['name']}.log").write_text(said)
        started = self._run(workload, own, "run", "-d", "--network-alias", name)
        probe = own["readinessProbe"]["httpGet"]
        ports = {port["name"]: port["containerPort"] for port in own["ports"]}
        labels = pod(workload)["metadata"]["labels"]
        found = Pod(name, labels, ports, started)
        found.ready_path, found.ready_port = probe["path"], ports[probe["port"]]
        return self._known(found)

    def finish(self, name: str) -> str:
        """Run a Job until it ends well, as often as the kubelet does; returns its last words."""
        job = self.find("Job", name)
        (container,) = containers(job)
        done = ""
        for _ in range(JOB_TRIES):
            words = ("run", "--rm", "--label", f"job={name}")
            done = self.docker(*words, *self._words(job, container), check=False)
            if "applied" in done or not done:
                return done
            time.sleep(2)
        raise AssertionError(f"{name} did not end well: {done}")

    def wait_ready(self, names: Iterable[str]) -> None:
        """Return when the readiness probes of these pods, asked from the node, answer 200."""
        deadline = time.monotonic() + READY_WAIT_S
        for name in names:
            while not self.is_ready(self.pods[name]):
                assert time.monotonic() < deadline, self.docker(
                    "logs", "--tail", "20", self.pods[name].container
                )
                time.sleep(0.5)

    def is_ready(self, of: Pod) -> bool:
        """Ask the probe."""
        asked = http.client.HTTPConnection(of.address, of.ready_port, timeout=4)
        try:
            asked.request("GET", of.ready_path)
            return asked.getresponse().status == 200
        except OSError:
            return False
        finally:
            asked.close()

    def _known(self, started: Pod) -> Pod:
        seen = json.loads(self.docker("inspect", started.container))[0]
        started.address = seen["NetworkSettings"]["Networks"][self.network]["IPAddress"]
        assert started.address, self.docker("logs", started.container)
        self.pods[started.name] = started
        return started

    def _run(self, workload: Manifest, container: Manifest, *words: str) -> str:
        return self.docker(*words, *self._words(workload, container))

    def _words(self, workload: Manifest, container: Manifest) -> Iterator[str]:
        """Yield the words of `docker run` that the specification of a container stands for."""
        spec = pod(workload)["spec"]
        context, inner = spec["securityContext"], container["securityContext"]
        yield from ("--network", self.network)
        yield from ("--user", f"{context['runAsUser']}:{context['runAsGroup']}")
        yield from ("--group-add", str(context.get("fsGroup", context["runAsGroup"])))
        yield from ("--memory", container["resources"]["limits"]["memory"].rstrip("i").lower())
        for dropped in inner["capabilities"]["drop"]:
            yield from ("--cap-drop", dropped)
        if inner["readOnlyRootFilesystem"]:
            yield "--read-only"
        if not inner["allowPrivilegeEscalation"]:
            yield from ("--security-opt", "no-new-privileges:true")
        environment = self._environment(workload, container)
        for name, value in environment.items():
            yield from ("-e", f"{name}={value}")
        volumes = {each["name"]: each for each in spec.get("volumes", ())}
        for mount in container.get("volumeMounts", ()):
            yield from self._volume(volumes.get(mount["name"], {}), mount["mountPath"])
        if command := container.get("command"):
            yield from ("--entrypoint", command[0])
        yield container["image"]
        for word in container.get("args", ()):
            yield _filled(word, environment)

    def _environment(self, workload: Manifest, container: Manifest) -> dict[str, str]:
        own = str(workload["metadata"]["name"])
        fields = {"metadata.name": f"{own}-0"}
        found: dict[str, str] = {}
        for source in container.get("envFrom", ()):
            found |= self.find("ConfigMap", source["configMapRef"]["name"])["data"]
        for variable in container.get("env", ()):
            source = variable.get("valueFrom", {})
            if ref := source.get("secretKeyRef"):
                value = self.secrets[ref["name"]][ref["key"]]
            elif ref := source.get("fieldRef"):
                # Docker gives the address later; its name in the network does as well.
                value = fields.get(str(ref["fieldPath"]), own)
            else:
                value = str(variable["value"])
            found[variable["name"]] = _filled(value, found)
        return found

    def _volume(self, volume: Manifest, path: str) -> Iterator[str]:
        if secret := volume.get("secret"):
            folder = self.folder / secret["secretName"]
            folder.mkdir(exist_ok=True)
            for name, text in self.secrets[secret["secretName"]].items():
                (folder / name).write_text(text)
            yield from ("-v", f"{folder}:{path}:ro")
        else:  # an emptyDir, or the volume of a claim, which here ends with the pod
            yield from ("--tmpfs", f"{path}:mode=1777,size=2g")

    # -- the network plugin

    def allowed(self, source: Pod, target: Pod, port: int) -> bool:
        """Return whether policies let *source* reach *port* of *target*: both sides must."""
        return self._passes("egress", source, target, port) and self._passes(
            "ingress", target, source, port, of=target
        )

    def _policies(self, of: Pod, direction: str) -> list[Manifest]:
        return [
            each["spec"]
            for each in self.objects
            if each["kind"] == "NetworkPolicy"
            and direction.capitalize() in each["spec"]["policyTypes"]
            and matches(each["spec"]["podSelector"], of.labels)
        ]

    def _passes(
        self, direction: str, own: Pod, peer: Pod, port: int, of: Pod | None = None
    ) -> bool:
        policies = self._policies(own, direction)
        if not policies:
            return True
        side = "to" if direction == "egress" else "from"
        return any(
            self._is_peer(rule.get(side), peer) and _is_port(rule.get("ports"), port, of or peer)
            for policy in policies
            for rule in policy.get(direction, ())
        )

    def _is_peer(self, peers: list[Manifest] | None, peer: Pod) -> bool:
        if peers is None:
            return True
        return any(
            "podSelector" in each
            and "namespaceSelector" not in each
            and matches(each["podSelector"], peer.labels)
            for each in peers
        )

    def enforce(self) -> None:
        """Write the rules of iptables of each pod: deny, but for what a policy allows."""
        for own in self.pods.values():
            rules = ["-P INPUT DROP", "-P OUTPUT DROP", "-A INPUT -i lo -j ACCEPT"]
            rules += ["-A OUTPUT -o lo -j ACCEPT"]
            for chain in ("INPUT", "OUTPUT"):
                rules.append(f"-A {chain} -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT")
            # The node itself reaches every pod, as the kubelet does.
            rules.append(f"-A INPUT -s {self._gateway()} -j ACCEPT")
            for peer in self.pods.values():
                if peer is own:
                    continue
                for port in self._asked_ports(own, peer):
                    if self._passes("egress", own, peer, port):
                        rules.append(f"-A OUTPUT -d {peer.address} -p tcp --dport {port} -j ACCEPT")
                for port in self._asked_ports(peer, own):
                    if self._passes("ingress", own, peer, port, of=own):
                        rules.append(f"-A INPUT -s {peer.address} -p tcp --dport {port} -j ACCEPT")
            self._iptables(own, rules)

    def _asked_ports(self, _source: Pod, target: Pod) -> list[int]:
        return sorted({*target.ports.values(), *SERVER_PORTS.get(target.name, ())})

    def _gateway(self) -> str:
        seen = json.loads(self.docker("network", "inspect", self.network))[0]
        return seen["IPAM"]["Config"][0]["Gateway"]

    def _iptables(self, of: Pod, rules: Iterable[str]) -> None:
        pid = self.docker("inspect", "-f", "{{.State.Pid}}", of.container)
        for rule in rules:
            # After the NAT of Docker's own name server; its chains are of another table.
            subprocess.run(
                ["nsenter", "-t", pid, "-n", "iptables", *rule.split()],
                check=True,
                capture_output=True,
            )

    def connects(self, source: Pod, target: Pod, port: int) -> bool:
        """Return whether a connection from the one pod to the other is accepted."""
        script = (
            "import socket, sys\n"
            f"try: socket.create_connection(({target.address!r}, {port}), 1).close()\n"
            "except OSError: sys.exit(1)"
        )
        code = base64.b64encode(script.encode()).decode()
        run = f"import base64; exec(base64.b64decode({code!r}))"
        words = ("exec", source.container, "/app/.venv/bin/python", "-c", run)
        done = subprocess.run(
            ["docker", *words],
            env={**os.environ, **self.environment},
            capture_output=True,
            check=False,
        )
        return done.returncode == 0


def _filled(text: str, environment: Mapping[str, str]) -> str:
    """Return *text* with the values of the variables that it names."""
    return _VARIABLE.sub(lambda match: environment.get(match[1], match[0]), text)


SERVER_PORTS: dict[str, tuple[int, ...]] = {"postgres": (5432,), "storage": (8333,)}
"""Ports of what runs beside the manifests."""


def _is_port(ports: list[dict[str, Any]] | None, port: int, of: Pod) -> bool:
    if ports is None:
        return True
    return any(of.ports.get(str(each["port"]), each["port"]) == port for each in ports)
