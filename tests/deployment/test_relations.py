"""kubernetes/: what one manifest says of another is so."""

import re
from typing import Any
from urllib.parse import urlsplit

import pytest

from api.routes import ROUTES
from api.service import SHUTDOWN_SECONDS
from consumers.consumer import LAST_WRITES_SECONDS
from tests.deployment.cluster import Cluster, Manifest, container, ports, rendered, selects
from tests.deployment.files import COMPOSE, KUBERNETES, ROOT, SETTINGS, read_yaml, run
from tests.deployment.stack import read_env
from tidings import __version__, settings
from tidings.security.secretbox import new_key

OVERLAYS = ("overlays/dev", "overlays/prod")

SECRET = {
    "POSTGRES_URI": "postgres://tidings:secret@postgres.example/tidings",
    "POSTGRES_LISTEN_URI": "postgres://tidings:secret@primary.example/tidings",
    "REDIS_URI": "redis://redis.example:6379",
    "API_KEY": "an operator's key",
    "SECRET_KEY": "0123456789abcdef0123456789abcdef",
    "SECRET_KEYS": new_key(),
    "WEBHOOK_AUTH_KEY": "the gateway's key",
    "WEBHOOK_SIGNING_SECRET": "",
    "SMTP_URL": "smtps://tidings%40mail.example:secret@mail.example:465",
    "SMS_GATEWAYS": "",
    "EGRESS_PROXY": "http://proxy.example:3128",
    "VAULT_ROLE_ID": "",
    "VAULT_SECRET_ID": "",
}
"""What a Secret `tidings` may hold."""


@pytest.fixture(params=OVERLAYS)
def cluster(request: pytest.FixtureRequest) -> Cluster:
    return rendered(request.param)


def test_a_workload_owns_its_own_pods_and_no_others(cluster: Cluster) -> None:
    for name, workload in cluster.of("Deployment", "StatefulSet").items():
        assert cluster.selected(workload["spec"]["selector"]) == {name}


def test_a_service_leads_to_a_port_that_is_there(cluster: Cluster) -> None:
    services = cluster.of("Service")
    assert "api" in services
    for name, service in services.items():
        (behind,) = cluster.selected({"matchLabels": service["spec"]["selector"]})
        assert behind == name
        for port in service["spec"]["ports"]:
            assert port["targetPort"] in ports(cluster.pods()[behind])


def test_every_process_that_must_not_go_all_at_once_has_a_budget(cluster: Cluster) -> None:
    budgets = cluster.of("PodDisruptionBudget").values()
    held = [cluster.selected(budget["spec"]["selector"]) for budget in budgets]
    assert sorted(map(sorted, held)) == [["api"], ["consumers"], ["producer"]]
    # One that allows nothing would keep nodes from being drained.
    assert all(budget["spec"]["maxUnavailable"] for budget in budgets)


def test_an_autoscaler_has_something_to_scale_and_the_say_over_it(cluster: Cluster) -> None:
    hpa = rendered("autoscaling/consumers-hpa").of("HorizontalPodAutoscaler")["consumers"]
    found = [hpa, *cluster.of("HorizontalPodAutoscaler", "ScaledObject").values()]
    for autoscaler in found:
        target = autoscaler["spec"]["scaleTargetRef"]
        assert target.get("kind", "Deployment") == "Deployment"
        # Each `apply` would set the number back otherwise.
        assert "replicas" not in cluster.of("Deployment")[target["name"]]["spec"]


def test_production_scales_the_api_and_the_consumers() -> None:
    production = rendered("overlays/prod")
    assert set(production.of("HorizontalPodAutoscaler")) == {"api"}
    assert set(production.of("ScaledObject")) == {"consumers"}


def test_what_a_container_refers_to_is_there(cluster: Cluster) -> None:
    for name, pod in cluster.pods().items():
        for source in container(pod).get("envFrom", ()):
            assert source["configMapRef"]["name"] in cluster.of("ConfigMap"), name
        if account := pod["spec"].get("serviceAccountName"):
            assert account in cluster.of("ServiceAccount"), name
        claims = cluster.of("StatefulSet").get(name, {}).get("spec", {}).get("volumeClaimTemplates", ())
        volumes = [volume["name"] for volume in pod["spec"].get("volumes", ())]
        volumes += [claim["metadata"]["name"] for claim in claims]
        mounted = [mount["name"] for mount in container(pod).get("volumeMounts", ())]
        assert sorted(mounted) == sorted(volumes), name


def test_no_process_is_given_a_variable_that_it_does_not_know(cluster: Cluster) -> None:
    assert set(cluster.ours()) == {"api", "producer", "consumers", "migrate"}
    for name in cluster.ours():
        assert set(cluster.environment(name)) <= SETTINGS, name
        for key, _ in cluster.secret_keys(name):
            assert key in SECRET, f"{name} reads {key}"


def test_every_process_can_start_with_what_it_is_given(cluster: Cluster) -> None:
    for name in cluster.ours():
        loaded = settings.load(_filled_in(cluster.environment(name)))
        assert loaded.postgres_uri == SECRET["POSTGRES_URI"]
        assert not loaded.loopback_only, name
        if name != "migrate":
            assert loaded.redis_uri == SECRET["REDIS_URI"]
            assert (loaded.metrics_host, loaded.metrics_port) == ("0.0.0.0", 9464), name
    api = settings.load(_filled_in(cluster.environment("api")))
    assert (api.host, api.port) == ("0.0.0.0", ports(cluster.pods()["api"])["http"])
    # No two that run may share a queue.
    assert cluster.environment("consumers")["CONSUMER_NAME"] == "metadata.name"


def test_secrets_go_only_to_who_needs_them(cluster: Cluster) -> None:
    postgres, out = {"POSTGRES_URI", "POSTGRES_LISTEN_URI"}, {"SMTP_URL", "SMS_GATEWAYS", "EGRESS_PROXY"}
    stores, vault = postgres | {"REDIS_URI"}, {"VAULT_ROLE_ID", "VAULT_SECRET_ID"}
    read = {name: {key for key, _ in cluster.secret_keys(name)} for name in cluster.ours()}
    assert read == {
        "migrate": postgres,
        "producer": stores | vault,
        "consumers": stores | vault | out | {"SECRET_KEYS", "WEBHOOK_AUTH_KEY", "WEBHOOK_SIGNING_SECRET"},
        "api": stores | vault | out | {"API_KEY", "SECRET_KEY", "SECRET_KEYS"},
    }


def test_no_secret_is_in_a_manifest(cluster: Cluster) -> None:
    assert not cluster.of("Secret")
    secret = {name.upper() for name in settings.SECRETS}
    for name in cluster.ours():
        in_clear = {variable for variable, value in cluster.environment(name).items() if value is not None}
        assert not in_clear & secret, name


def test_the_dev_cluster_is_given_every_key_and_finds_every_host() -> None:
    dev = rendered("overlays/dev")
    made = read_env(run("sh", KUBERNETES / "overlays" / "dev" / "new-secret"))
    for name in dev.pods():
        for key, optional in dev.secret_keys(name):
            assert optional or key in made, f"{name} reads {key}"
    services = dev.of("Service")
    for address in (made["POSTGRES_URI"], made["REDIS_URI"], str(dev.environment("consumers")["WEBHOOK_URL"])):
        parts = urlsplit(address)
        assert [port["port"] for port in services[str(parts.hostname)]["spec"]["ports"]] == [parts.port]


def test_a_stop_waits_until_everything_is_written(cluster: Cluster) -> None:
    consumer, api = (cluster.pods()[name]["spec"] for name in ("consumers", "api"))
    drain = settings.load(_filled_in(cluster.environment("consumers"))).grace_seconds + 2 * LAST_WRITES_SECONDS
    assert consumer["terminationGracePeriodSeconds"] > drain
    waits = container({"spec": api})["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert api["terminationGracePeriodSeconds"] > waits + SHUTDOWN_SECONDS


def test_probes_ask_what_is_answered(cluster: Cluster) -> None:
    answered = {"http": {route.path for route in ROUTES}, "metrics": {"/health/live", "/metrics"}}
    for name, pod in cluster.ours().items():
        probes = [container(pod)[kind] for kind in container(pod) if kind.endswith("Probe")]
        assert len(probes) == (0 if name == "migrate" else 3), name
        for probe in probes:
            asked = probe["httpGet"]
            assert asked["port"] in ports(pod), name
            assert asked["path"] in answered[asked["port"]], name
            # Whether the stores are there is no reason to take a pod away: they are shared.
            assert asked["path"] == "/health/live", name


def test_metrics_are_shown_where_prometheus_is_sent(cluster: Cluster) -> None:
    for name in ("api", "producer", "consumers"):
        pod = cluster.pods()[name]
        told = pod["metadata"]["annotations"]
        assert told == {
            "prometheus.io/scrape": "true",
            "prometheus.io/port": cluster.environment(name)["METRICS_PORT"],
            "prometheus.io/path": "/metrics",
        }
        assert int(told["prometheus.io/port"]) == ports(pod)["metrics"]


def test_nothing_is_open_that_no_policy_opens(cluster: Cluster) -> None:
    closed = cluster.of("NetworkPolicy")["nothing"]["spec"]
    assert closed == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for name, policy in cluster.of("NetworkPolicy").items():
        selected = cluster.selected(policy["spec"]["podSelector"])
        assert selected, f"{name} is about nobody"
        for rule in policy["spec"].get("ingress", ()):
            for port in rule["ports"]:
                assert all(port["port"] in ports(cluster.pods()[pod]) for pod in selected), name
        for peer in _peers(policy):
            if "podSelector" in peer:
                assert cluster.selected(peer["podSelector"]), f"{name} lets nobody through"


def test_every_process_reaches_what_it_needs(cluster: Cluster) -> None:
    reached = {
        name: {port for port in (53, 5432, 6379, 443) if _goes_out(cluster, name, port)} for name in cluster.ours()
    }
    stores = {53, 5432, 6379}
    assert reached == {
        "api": stores,
        "producer": stores,
        "migrate": stores,
        # To the internet: any port.
        "consumers": stores | {443},
    }


def test_consumers_deliver_to_nothing_private() -> None:
    (rule,) = rendered("overlays/prod").of("NetworkPolicy")["deliveries"]["spec"]["egress"]
    inside = [network for peer in rule["to"] for network in peer["ipBlock"]["except"]]
    # The metadata of nodes is at 169.254.169.254.
    assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7"} <= set(inside)


def test_the_dev_stores_let_in_whoever_needs_them() -> None:
    dev = rendered("overlays/dev")
    for store, port in (("postgres", 5432), ("redis", 6379)):
        for name in dev.ours():
            needs = f"{store.upper()}_URI" in {key for key, _ in dev.secret_keys(name)}
            assert _comes_in(dev, name, store) is needs, f"{name} to {store}"
        assert ports(dev.pods()[store]) == {store: port}
    assert _comes_in(dev, "consumers", "gateway")
    assert not _comes_in(dev, "api", "gateway")


def test_images_are_this_version_and_those_of_compose() -> None:
    production, dev = rendered("overlays/prod"), rendered("overlays/dev")
    assert {container(pod)["image"] for pod in production.ours().values()} == {f"tidings:{__version__}"}
    assert {container(pod)["image"] for pod in dev.ours().values()} == {"tidings:dev"}
    services = read_yaml(COMPOSE / "docker-compose.yaml")["services"]
    for store in ("postgres", "redis"):
        assert container(dev.pods()[store])["image"] == services[store]["image"]


def test_the_document_names_every_key_of_the_secret() -> None:
    document = (ROOT / "docs" / "deployment.md").read_text()
    assert set(SECRET) <= set(re.findall(r"`([A-Z_]+)`", document))


def _filled_in(environment: dict[str, str | None]) -> dict[str, str]:
    return {name: SECRET[name] if value is None else value for name, value in environment.items()}


def _peers(policy: Manifest) -> list[Any]:
    rules = [*policy["spec"].get("ingress", ()), *policy["spec"].get("egress", ())]
    return [peer for rule in rules for peer in (*rule.get("from", ()), *rule.get("to", ()))]


def _goes_out(cluster: Cluster, name: str, port: int) -> bool:
    """Whether some policy lets a process out to a port of another machine, in the cluster or outside."""
    labels = cluster.pods()[name]["metadata"]["labels"]
    rules = [
        rule
        for policy in cluster.of("NetworkPolicy").values()
        if selects(policy["spec"]["podSelector"], labels)
        for rule in policy["spec"].get("egress", ())
    ]
    return any(
        "ports" not in rule or port in {opened["port"] for opened in rule["ports"]}
        for rule in rules
        if all("ipBlock" in peer for peer in rule.get("to", ()))
    )


def _comes_in(cluster: Cluster, name: str, to: str) -> bool:
    """Whether some policy of a pod lets another pod in."""
    labels, target = (cluster.pods()[pod]["metadata"]["labels"] for pod in (name, to))
    return any(
        selects(peer["podSelector"], labels)
        for policy in cluster.of("NetworkPolicy").values()
        if selects(policy["spec"]["podSelector"], target)
        for rule in policy["spec"].get("ingress", ())
        for peer in rule["from"]
    )
