"""kubernetes/chart: Helm makes what kustomize makes, refuses what it does not know, and migrates as GitOps wants it."""

import json
import re
from collections.abc import Iterator
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.deployment.cluster import Cluster, Manifest, container, rendered
from tests.deployment.files import KUBERNETES, ROOT, SETTINGS, read_yaml
from tests.deployment.helm import CHART, Chart, needs_helm, running_engine
from tidings import __version__, settings
from tidings.redis.uri import check_redis_uri

pytestmark = needs_helm

OLDEST = "1.32"
PRODUCTION: dict[str, Any] = {
    "settings": {"REGISTRATION": "closed", "LOGINS_PER_ADDRESS": "0"},
    "consumers": {"autoscaling": {"by": "keda"}},
}
"""What overlays/prod says beyond the base."""

EVERYTHING: dict[str, Any] = {
    "image": {"repository": "registry.example/tidings", "digest": "sha256:" + "a" * 64, "pullPolicy": "Always"},
    "imagePullSecrets": ["registry"],
    "secret": "mine",
    "postgres": {"uri": {"secret": "db-app", "key": "uri"}, "ports": [5432, 6432]},
    "redis": {
        "address": "redis://:$(REDIS_PASSWORD)@cache-master:6380",
        "password": {"secret": "cache", "key": "password"},
        "ports": [6380, 26379],
    },
    "certificates": {"configMap": "authorities"},
    "settings": {"GRACE_SECONDS": "90.5"},
    "migrations": {"hook": False},
    "api": {"autoscaling": {"enabled": False}, "replicas": 3, "serviceAnnotations": {"example.com/a": "b"}},
    "consumers": {"autoscaling": {"by": "hpa"}},
    "ingress": {"enabled": True, "className": "nginx", "annotations": {"example.com/a": "b"}},
    "networkPolicy": {
        "ports": [8200],
        "deliveries": [{"to": [{"ipBlock": {"cidr": "10.1.2.3/32"}}], "ports": [{"port": 25}]}],
    },
    "podAnnotations": {"example.com/a": "b"},
    "podLabels": {"example.com/a": "b"},
    "nodeSelector": {"example.com/a": "b"},
    "tolerations": [{"key": "example.com/a", "operator": "Exists"}],
    "affinity": {"podAntiAffinity": {}},
    "priorityClassName": "high",
}
"""Another value for whatever has one that changes what is rendered."""


@pytest.fixture(scope="module", name="chart")
def one_engine() -> Iterator[Chart]:
    with running_engine() as chart:
        yield chart


def test_helm_makes_of_it_what_kustomize_makes_of_the_production_overlay(chart: Chart) -> None:
    ours, theirs = _plain(chart(PRODUCTION).cluster()), _plain(rendered("overlays/prod"))
    # A namespace is made by `helm install --create-namespace`, or is there.
    theirs.pop(("Namespace", "tidings"))
    assert set(ours) == set(theirs)
    for what, manifest in theirs.items():
        assert ours[what] == manifest, what


def test_its_autoscaler_without_keda_is_that_of_kustomize(chart: Chart) -> None:
    what = ("HorizontalPodAutoscaler", "consumers")
    made = _plain(chart({"consumers": {"autoscaling": {"by": "hpa"}}}).cluster())
    assert made[what] == _plain(rendered("autoscaling/consumers-hpa"))[what]


def test_its_ingress_is_that_of_the_example(chart: Chart) -> None:
    example = read_yaml(KUBERNETES / "overlays" / "prod" / "ingress.example.yaml")
    values = {
        "enabled": True,
        "className": example["spec"]["ingressClassName"],
        "annotations": example["metadata"]["annotations"],
    }
    what = ("Ingress", "api")
    assert _plain(chart({"ingress": values}).cluster())[what] == _plain(Cluster([example]))[what]


@pytest.mark.parametrize("values", [{}, PRODUCTION, EVERYTHING], ids=["defaults", "production", "everything"])
def test_helm_finds_no_fault(chart: Chart, values: dict[str, Any]) -> None:
    answer = chart(values)
    assert answer.findings == []
    manifests = answer.cluster().manifests
    assert len({_named(manifest) for manifest in manifests}) == len(manifests)


@pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])
def test_a_cluster_takes_it_with_every_value_changed(chart: Chart, version: str) -> None:
    """With those of production, it takes what kustomize makes."""
    for manifest in chart(EVERYTHING).cluster().manifests:
        kubernetes_validate.validate(manifest, version, strict=True)


def test_every_value_changes_what_it_says(chart: Chart) -> None:
    cluster = chart(EVERYTHING).cluster()
    (migrate,) = cluster.of("Job").values()
    api, consumers = (cluster.of("Deployment")[f"tidings-{name}"]["spec"] for name in ("api", "consumers"))
    assert api["replicas"] == 3
    assert "replicas" not in consumers
    assert consumers["template"]["spec"]["terminationGracePeriodSeconds"] == 131
    for spec in (api, consumers, migrate["spec"]):
        pod = spec["template"]
        assert container(pod)["image"] == f"registry.example/tidings@sha256:{'a' * 64}"
        assert container(pod)["imagePullPolicy"] == "Always"
        assert pod["spec"]["imagePullSecrets"] == [{"name": "registry"}]
        assert pod["spec"]["nodeSelector"] == {"example.com/a": "b"}
        assert pod["metadata"]["labels"]["example.com/a"] == "b"
        assert pod["metadata"]["annotations"]["example.com/a"] == "b"
        assert pod["spec"]["tolerations"] == EVERYTHING["tolerations"]
        (volume,) = pod["spec"]["volumes"]
        assert volume["configMap"] == {"name": "authorities"}
        (mount,) = container(pod)["volumeMounts"]
        assert mount == {"name": volume["name"], "mountPath": "/etc/tidings", "readOnly": True}
        variables = {variable["name"]: variable for variable in container(pod)["env"]}
        assert variables["POSTGRES_URI"]["valueFrom"]["secretKeyRef"] == {"name": "db-app", "key": "uri"}
        assert variables["POSTGRES_LISTEN_URI"]["valueFrom"]["secretKeyRef"]["name"] == "mine"
    told = [variable["name"] for variable in container(api["template"])["env"]]
    # A variable is put into those that come after it.
    assert told.index("REDIS_PASSWORD") < told.index("REDIS_URI")
    out = cluster.of("NetworkPolicy")["tidings-stores"]["spec"]["egress"][1]["ports"]
    assert [port["port"] for port in out] == [5432, 6432, 6380, 26379, 8200]
    assert (
        cluster.of("NetworkPolicy")["tidings-deliveries"]["spec"]["egress"][1:]
        == (EVERYTHING["networkPolicy"]["deliveries"])
    )
    assert not chart({"networkPolicy": {"enabled": False}}).cluster().of("NetworkPolicy")


def test_files_of_a_secret_are_mounted_as_those_of_a_config_map(chart: Chart) -> None:
    cluster = chart({"certificates": {"secret": "authorities"}}).cluster()
    processes = cluster.of("Deployment")
    assert len(processes) == 3
    for made in (*processes.values(), *cluster.of("Job").values()):
        (volume,) = made["spec"]["template"]["spec"]["volumes"]
        assert volume["secret"] == {"secretName": "authorities"}


@pytest.mark.parametrize("address", ["redis://a", "redis+sentinel://a,b/mymaster", "redis+cluster://a,b:6380"])
@pytest.mark.parametrize("tls", [False, True])
def test_every_kind_of_address_of_redis_may_be_a_value(chart: Chart, address: str, tls: bool) -> None:
    address = address.replace("redis", "rediss", 1) if tls else address
    check_redis_uri(address)
    api = chart({"redis": {"address": address}}).cluster().of("Deployment")["tidings-api"]["spec"]["template"]
    told = {variable["name"]: variable for variable in container(api)["env"]}
    assert told["REDIS_URI"]["value"] == address


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"replicas": 3}, "replicas"),
        ({"api": {"replica": 3}}, "replica"),
        ({"settings": {"SECRET_KEY": "s" * 32}}, "SECRET_KEY"),
        ({"settings": {"POSTGRES_URI": "postgres://"}}, "POSTGRES_URI"),
        ({"settings": {"METRICS_PORT": "1"}}, "METRICS_PORT"),
        ({"settings": {"GRACE_SECONDS": 20}}, "GRACE_SECONDS"),
        ({"settings": {"GRACE_SECONDS": "long"}}, "GRACE_SECONDS"),
        ({"postgres": {"ports": []}}, "ports"),
        ({"redis": {"ports": [70000]}}, "ports"),
        ({"redis": {"address": "http://cache"}}, "address"),
        ({"certificates": {"secret": "mine", "configMap": "mine"}}, "certificates"),
        ({"consumers": {"autoscaling": {"by": "cpu"}}}, "autoscaling"),
        ({"producer": {"maxUnavailable": 0}}, "maxUnavailable"),
        ({"producer": {"maxUnavailable": "0%"}}, "maxUnavailable"),
        ({"image": {"digest": "latest"}}, "digest"),
        ({"networkPolicy": {"metricsFrom": None}}, "metricsFrom"),
    ],
)
def test_a_slip_of_the_pen_is_refused_by_name(chart: Chart, values: dict[str, Any], says: str) -> None:
    answer = chart(values)
    assert not answer.manifests
    assert says in answer.refused


def test_every_value_has_a_line_in_the_schema() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    written = set(_leaves(read_yaml(CHART / "values.yaml"), schema, schema["definitions"]))
    assert {"consumers.autoscaling.by", "postgres.uri.key", "settings", "affinity"} <= written


def test_what_settings_may_not_hold_is_every_secret_and_what_the_chart_says_itself(chart: Chart) -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    refused = set(schema["properties"]["settings"]["propertyNames"]["not"]["enum"])
    assert refused == {name.upper() for name in settings.SECRETS} | {
        "CONSUMER_NAME",
        "HOST",
        "METRICS_HOST",
        "METRICS_PORT",
        "PORT",
    }
    assert set(chart(PRODUCTION).cluster().of("ConfigMap")["tidings"]["data"]) <= SETTINGS


def test_a_migration_is_a_hook_that_meets_no_other_job(chart: Chart) -> None:
    (job,) = chart().cluster().of("Job").values()
    told = job["metadata"]["annotations"]
    assert told == {
        "helm.sh/hook": "pre-install,pre-upgrade",
        "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded",
        "argocd.argoproj.io/hook": "PreSync",
        "argocd.argoproj.io/hook-delete-policy": "BeforeHookCreation,HookSucceeded",
    }
    # One that failed has another name than the next, which would not remove it.
    assert job["spec"]["ttlSecondsAfterFinished"] == 24 * 3600
    # It comes before the ServiceAccount and the ConfigMap of its release, at the first time.
    pod = job["spec"]["template"]["spec"]
    assert "serviceAccountName" not in pod
    assert "envFrom" not in container(job["spec"]["template"])


@pytest.mark.parametrize("hook", [True, False])
def test_what_a_migration_is_says_its_name(chart: Chart, hook: bool) -> None:
    def name(**image: str) -> str:
        (found,) = chart({"image": image, "migrations": {"hook": hook}}).cluster().of("Job")
        return found

    assert name() == name() == name(tag=__version__)
    assert name() != name(tag="0.2.0")
    assert re.fullmatch(r"tidings-migrate-[0-9a-f]{10}", name())


def test_a_changed_setting_rolls_the_processes_and_no_other_value_does(chart: Chart) -> None:
    def pods(values: dict[str, Any]) -> list[Manifest]:
        return [found["spec"]["template"] for found in chart(values).cluster().of("Deployment").values()]

    for before, after in zip(pods({}), pods({"settings": {"LOG_LEVEL": "DEBUG"}}), strict=True):
        assert before != after
    assert pods({}) == pods({"api": {"autoscaling": {"max": 9}}})


def test_two_releases_share_nothing(chart: Chart) -> None:
    one, other = chart().cluster(), chart(name="shop").cluster()
    assert not {_named(manifest) for manifest in one.manifests} & {_named(manifest) for manifest in other.manifests}
    for cluster, foreign in ((one, other), (other, one)):
        for policy in cluster.of("NetworkPolicy", "PodDisruptionBudget").values():
            selector = policy["spec"].get("podSelector") or policy["spec"]["selector"]
            assert not foreign.selected(selector)
            assert cluster.selected(selector)


def test_the_chart_is_of_this_version_and_documented(chart: Chart) -> None:
    about = read_yaml(CHART / "Chart.yaml")
    assert about["version"] == about["appVersion"] == __version__
    document = (ROOT / "docs" / "deployment.md").read_text()
    for block in re.findall(r"```yaml\n# values\.yaml.*?\n(.*?)```", document, re.DOTALL):
        assert chart(yaml.safe_load(block)).findings == []
    assert "# values.yaml" in document


def _leaves(values: dict[str, Any], schema: dict[str, Any], definitions: dict[str, Any], at: str = "") -> Iterator[str]:
    """The names of all values; each is declared and described, and nothing is declared that is not there."""
    assert set(schema["properties"]) - set(values) <= {"global", "cpu"}, at
    for name, value in values.items():
        declared = schema["properties"][name]
        if "$ref" in declared:
            declared = definitions[declared["$ref"].rsplit("/")[-1]]
        if isinstance(value, dict) and declared.get("additionalProperties") is False:
            yield from _leaves(value, declared, definitions, f"{at}{name}.")
        else:
            assert declared.get("description"), f"{at}{name}"
            yield f"{at}{name}"


def _named(manifest: Manifest) -> tuple[str, str]:
    return manifest["kind"], manifest["metadata"]["name"]


def _plain(cluster: Cluster) -> dict[tuple[str, str], Any]:
    """The manifests by kind and name, without what is another's by design.

    That are Helm's labels and release, annotations of hooks, hashes of settings and migrations, and namespaces. The
    chart closes its own pods only, kustomize its own namespace. A hook has no ServiceAccount yet, and an end.
    """
    found = {}
    for manifest in cluster.manifests:
        plain = _simpler(manifest)
        plain["metadata"] = {"name": plain["metadata"]["name"]}
        if plain["kind"] == "NetworkPolicy" and plain["metadata"]["name"] == "nothing":
            plain["spec"]["podSelector"] = {}
        if plain["kind"] == "Job":
            plain["spec"]["template"]["spec"].pop("serviceAccountName", None)
            plain["spec"].pop("ttlSecondsAfterFinished", None)
        found[_named(plain)] = plain
    return found


def _simpler(value: Any) -> Any:
    if isinstance(value, list):
        return [_simpler(item) for item in value]
    if isinstance(value, str):
        ours = "api|producer|consumers|nothing|stores|metrics|deliveries"
        if found := re.fullmatch(rf"tidings-({ours}|migrate(?=-[0-9a-f]{{10}}))(-[0-9a-f]{{10}})?", value):
            return found[1]
        return re.sub(r"^tidings-[0-9a-z]{10}$", "tidings", value)
    if not isinstance(value, dict):
        return value
    left = {
        name: _simpler(item)
        for name, item in value.items()
        if name not in {"app.kubernetes.io/name", "app.kubernetes.io/instance", "checksum/settings"}
    }
    # The release is part of each selector; what is left of this one is empty.
    if left.get("matchLabels") == {} and "matchExpressions" in left:
        del left["matchLabels"]
    return left
