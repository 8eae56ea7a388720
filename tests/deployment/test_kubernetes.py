"""The manifests agree with the schemas of Kubernetes, with each other and with our settings."""

import json
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any, cast

import jsonschema_rs
import pytest
import yaml

from deploy.secrets import kubernetes
from tests.contracts.settings import SERVICES as SETTINGS
from tests.deployment.manifests import (
    BUILT,
    ROOT,
    SERVICES,
    Manifest,
    containers,
    manifests,
    matches,
    names,
    of_kind,
    pod,
    rendered,
    workloads,
)
from tests.support.tools import tool
from tools.stack.settings import PREFIX, known

KUBERNETES_VERSION = "1.34"
CUSTOM = "postgresql.cnpg.io", "keda.sh", "monitoring.coreos.com", "external-secrets.io"
PRE_STOP_S, DRAIN_S_MAX = 5, 35
"""What a gateway may need: edits twice 5 s, goodbyes 10 s, requests 20 s meanwhile, and some."""

everywhere = pytest.mark.parametrize("folder", BUILT)


@everywhere
def test_manifests_have_no_key_that_kubernetes_does_not_know(folder: str, tmp_path: Path) -> None:
    """A misspelt key is ignored by a cluster, and nobody notices for months."""
    ours = [each for each in manifests(folder) if not each["apiVersion"].startswith(CUSTOM)]
    file = tmp_path / "all.yaml"
    file.write_text("\n---\n".join(json.dumps(each) for each in ours))

    done = subprocess.run(
        [tool("kubernetes-validate"), "--strict", "--no-warn", "-k", KUBERNETES_VERSION, file],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(" passed ") == len(ours)


@everywhere
def test_custom_resources_have_no_key_that_their_operators_do_not_know(folder: str) -> None:
    """The same for operators, where SCRIPTORIUM_CRDS is a folder of their definitions."""
    if not os.environ.get("SCRIPTORIUM_CRDS"):
        pytest.skip("SCRIPTORIUM_CRDS names no folder of CustomResourceDefinitions")
    for each in manifests(folder):
        if each["apiVersion"].startswith(CUSTOM):
            _definition(each["apiVersion"], each["kind"]).validate(each)


@cache
def _definition(version: str, kind: str) -> jsonschema_rs.Validator:
    for file in Path(os.environ["SCRIPTORIUM_CRDS"]).glob("*.yaml"):
        found = yaml.load(file.read_text(), yaml.CSafeLoader)
        for each in found["spec"]["versions"]:
            is_it = version == f"{found['spec']['group']}/{each['name']}"
            if is_it and found["spec"]["names"]["kind"] == kind:
                schema = _strict(each["schema"]["openAPIV3Schema"])
                schema["properties"]["metadata"] = {"type": "object"}
                return jsonschema_rs.validator_for(schema)
    raise LookupError(f"no definition of {kind} of {version}")


def _strict(schema: Any) -> Any:
    """Return the schema with every object closed that does not say that it is open."""
    if isinstance(schema, list):
        return [_strict(each) for each in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    given = cast("dict[str, Any]", schema)
    if given.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    # Formats of Kubernetes are not for us to check.
    found = {name: _strict(each) for name, each in given.items() if name != "format"}
    is_open = given.get("x-kubernetes-preserve-unknown-fields")
    if isinstance(given.get("properties"), dict) and not is_open:
        found.setdefault("additionalProperties", False)
    return found


@everywhere
def test_every_selector_meets_one_workload(folder: str) -> None:
    """A Service, a budget or a policy whose selector meets nothing does nothing, silently."""
    for each in of_kind(folder, "Service", "PodDisruptionBudget"):
        spec = each["spec"]["selector"]
        selector = spec if each["kind"] != "Service" else {"matchLabels": spec}
        met = [w for w in workloads(folder) if matches(selector, pod(w)["metadata"]["labels"])]
        assert len(met) == 1, (each["kind"], each["metadata"]["name"])
    for workload in of_kind(folder, "Deployment", "StatefulSet"):
        assert matches(workload["spec"]["selector"], pod(workload)["metadata"]["labels"])


@everywhere
def test_what_scales_names_a_deployment_that_nothing_else_scales(folder: str) -> None:
    """Two that scale one Deployment undo each other; a fixed number of replicas undoes both."""
    targets = [
        each["spec"]["scaleTargetRef"]["name"]
        for each in of_kind(folder, "HorizontalPodAutoscaler", "ScaledObject")
    ]
    assert len(targets) == len(set(targets))
    assert set(targets) == names(folder, "Deployment") == set(SERVICES)
    for each in of_kind(folder, "Deployment"):
        assert "replicas" not in each["spec"]
    for each in of_kind(folder, "HorizontalPodAutoscaler"):
        assert each["spec"]["minReplicas"] <= each["spec"]["maxReplicas"]


@everywhere
def test_each_service_has_its_budget_account_and_policy(folder: str) -> None:
    """And no token of Kubernetes, which no service asks for anything."""
    for kind in ("PodDisruptionBudget", "ServiceAccount", "NetworkPolicy", "Service"):
        assert set(SERVICES) <= names(folder, kind), kind
    for workload in workloads(folder):
        spec = pod(workload)["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["serviceAccountName"] in names(folder, "ServiceAccount")


@everywhere
def test_every_pod_runs_restricted(folder: str) -> None:
    """The namespace enforces the profile `restricted`; a pod that asks for more would not start."""
    for workload in workloads(folder):
        context = pod(workload)["spec"]["securityContext"]
        assert context["runAsNonRoot"] is True
        assert context["runAsUser"] == 10001
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in containers(workload):
            inner = container["securityContext"]
            assert inner["allowPrivilegeEscalation"] is False, workload["metadata"]["name"]
            assert inner["readOnlyRootFilesystem"] is True
            assert inner["capabilities"] == {"drop": ["ALL"]}
            assert "memory" in container["resources"]["limits"]
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}
            assert ":" in container["image"].rsplit("/", 1)[-1], "an image without a tag"


@everywhere
def test_probes_and_services_name_ports_that_there_are(folder: str) -> None:
    """A port by a wrong name is a pod that never becomes ready."""
    for workload in workloads(folder):
        for container in containers(workload):
            ports = {port["name"] for port in container.get("ports", ())}
            for name in ("startupProbe", "livenessProbe", "readinessProbe"):
                if name in container:
                    assert container[name]["httpGet"]["port"] in ports
    for each in of_kind(folder, "Service"):
        selector = {"matchLabels": each["spec"]["selector"]}
        (met,) = [w for w in workloads(folder) if matches(selector, pod(w)["metadata"]["labels"])]
        ports = {port["name"] for port in containers(met)[-1]["ports"]}
        assert {port["targetPort"] for port in each["spec"]["ports"]} <= ports


@everywhere
def test_a_listener_is_bound_where_the_kubelet_asks(folder: str) -> None:
    """By default the listener of probes is bound to the loopback, where no kubelet comes."""
    for service in SERVICES:
        given = environment(folder, service)
        assert given["SCRIPTORIUM_OPS_HOST"] == "0.0.0.0"
        (container,) = containers(deployment(folder, service))[1:]
        (ops,) = [port for port in container["ports"] if port["name"] == "ops"]
        assert str(ops["containerPort"]) == given["SCRIPTORIUM_OPS_PORT"]


@everywhere
@pytest.mark.parametrize("service", SERVICES)
def test_settings_exist_and_none_is_missing(folder: str, service: str) -> None:
    """Every name is that of a setting, and each without a default is given."""
    given = {name for name in environment(folder, service) if name.startswith(PREFIX)}
    assert given <= known()
    assert "SCRIPTORIUM_POSTGRES_OWNER_URL" not in given, "no pod may own its database"
    needed = {
        PREFIX + name.upper()
        for name, field in SETTINGS[service].model_fields.items()
        if field.is_required()
    }
    assert needed <= given


@everywhere
def test_references_lead_to_something(folder: str) -> None:
    """Each ConfigMap is here, and `deploy.secrets` makes each key of each Secret."""
    secrets = {
        each["metadata"]["name"]: each["stringData"].keys()
        for each in yaml.safe_load_all(kubernetes(3))
    }
    there = {each["metadata"]["name"]: each["data"] for each in of_kind(folder, "ConfigMap")}
    for workload in workloads(folder):
        for container in containers(workload):
            for source in container.get("envFrom", ()):
                assert source["configMapRef"]["name"] in there
            for variable in container.get("env", ()):
                if ref := variable.get("valueFrom", {}).get("secretKeyRef"):
                    assert ref["key"] in secrets[ref["name"]], ref
        for volume in pod(workload)["spec"].get("volumes", ()):
            if "secret" in volume:
                assert secrets[volume["secret"]["secretName"]]
    for each in of_kind(folder, "ExternalSecret"):
        assert secrets[each["metadata"]["name"]]


@everywhere
def test_no_secret_is_written_down(folder: str) -> None:
    """Secrets come by reference alone."""
    assert not list(of_kind(folder, "Secret"))
    assert "://" not in "".join(
        line for line in rendered(folder).splitlines() if "postgres" in line and "@" in line
    )


@everywhere
def test_the_end_of_a_pod_has_the_time_that_it_takes(folder: str) -> None:
    """The kubelet kills what is not gone after the grace period, sockets and all."""
    for service in SERVICES:
        spec = pod(deployment(folder, service))["spec"]
        (container,) = spec["containers"]
        assert container["lifecycle"]["preStop"]["sleep"]["seconds"] == PRE_STOP_S
        needed = PRE_STOP_S + (DRAIN_S_MAX if service == "gateway" else 15)
        assert spec["terminationGracePeriodSeconds"] > needed
        rolling = deployment(folder, service)["spec"]["strategy"]["rollingUpdate"]
        assert rolling == {"maxSurge": 1, "maxUnavailable": 0}


@everywhere
def test_pods_wait_for_the_migrations_of_this_release(folder: str) -> None:
    """A Job for each database, by the same image, so that any order of applying works."""
    jobs = {each["metadata"]["name"]: each for each in of_kind(folder, "Job")}
    tags: set[str] = set()
    for service in SERVICES:
        wait, own = containers(deployment(folder, service))
        assert wait["args"] == ["libs.postgres.migrate", service, "--wait"]
        (job,) = [each for name, each in jobs.items() if name.startswith(f"migrate-{service}-")]
        (container,) = containers(job)
        assert container["args"] == ["libs.postgres.migrate", service]
        assert container["image"] == own["image"] == wait["image"]
        tags.add(own["image"].rsplit(":", 1)[1])
    tag = tags.pop().replace(".", "-")
    assert not tags
    assert all(name.endswith(f"-{tag}") for name in jobs), "Jobs are named by the release"


@everywhere
def test_databases_have_room_for_all_connections(folder: str) -> None:
    """Replicas at their greatest number, one more of each during an upgrade, and Jobs."""
    clusters = list(of_kind(folder, "Cluster"))
    if not clusters:
        pytest.skip("this folder brings no PostgreSQL")
    most = {
        each["spec"]["scaleTargetRef"]["name"]: each["spec"].get("maxReplicas")
        or each["spec"]["maxReplicaCount"]
        for each in of_kind(folder, "HorizontalPodAutoscaler", "ScaledObject")
    }
    each_has = int(environment(folder, "gateway")["SCRIPTORIUM_POSTGRES_CONNECTIONS_MAX"])
    needed = sum((count + 1) * (each_has + 1) for count in most.values())
    (cluster,) = clusters
    assert int(cluster["spec"]["postgresql"]["parameters"]["max_connections"]) >= needed + 10


def deployment(folder: str, service: str) -> Manifest:
    """Return the Deployment of a service."""
    (found,) = [
        each for each in of_kind(folder, "Deployment") if each["metadata"]["name"] == service
    ]
    return found


def environment(folder: str, service: str) -> dict[str, str]:
    """Return the environment of a service: values, or what they come from."""
    there = {each["metadata"]["name"]: each["data"] for each in of_kind(folder, "ConfigMap")}
    (container,) = containers(deployment(folder, service))[1:]
    found: dict[str, str] = {}
    for source in container["envFrom"]:
        found |= there[source["configMapRef"]["name"]] or {}
    for variable in container["env"]:
        found[variable["name"]] = variable.get("value") or str(variable["valueFrom"])
    return found


def test_the_rendered_file_is_that_of_the_base() -> None:
    """For those without kustomize: `kubectl kustomize deploy/kubernetes/base` writes it."""
    assert (ROOT / "deploy/kubernetes/install.yaml").read_text() == rendered("base")
