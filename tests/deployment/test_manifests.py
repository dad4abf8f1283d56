"""kubernetes/: what comes out of kustomize is what a cluster takes, of the oldest version meant and of the newest."""

import copy

import kubernetes_validate
import msgspec
import pytest

from tests.deployment.cluster import Cluster, Manifest, container, rendered
from tests.deployment.files import ROOT, read_yaml
from tests.deployment.keda import ScaledObject, ScaledObjectSpec

KUSTOMIZATIONS = ("base", "overlays/dev", "overlays/prod", "autoscaling/api", "autoscaling/consumers-hpa")
OLDEST = "1.32"
NEWEST = kubernetes_validate.latest_version()


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("kustomization", KUSTOMIZATIONS)
def test_every_manifest_is_of_its_schema(kustomization: str, version: str) -> None:
    manifests = [m for m in rendered(kustomization).manifests if m["kind"] != "ScaledObject"]
    assert manifests
    for manifest in manifests:
        kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_the_example_of_an_ingress_leads_to_the_api_by_tls(version: str) -> None:
    ingress = read_yaml(ROOT / "kubernetes" / "overlays" / "prod" / "ingress.example.yaml")
    kubernetes_validate.validate(ingress, version, strict=True)
    (rule,) = ingress["spec"]["rules"]
    assert [rule["host"]] == ingress["spec"]["tls"][0]["hosts"]
    (path,) = rule["http"]["paths"]
    service = rendered("overlays/prod").of("Service")[path["backend"]["service"]["name"]]
    assert path["backend"]["service"]["port"]["name"] in {port["name"] for port in service["spec"]["ports"]}


def test_the_schema_would_refuse_a_slip_of_the_pen() -> None:
    slip = copy.deepcopy(rendered("overlays/prod").of("Deployment")["consumers"])
    slip["spec"]["template"]["spec"]["terminationGracePeriodSecond"] = 60
    with pytest.raises(kubernetes_validate.ValidationError, match="terminationGracePeriodSecond"):
        kubernetes_validate.validate(slip, NEWEST, strict=True)


@pytest.mark.parametrize("kustomization", ["overlays/prod", "autoscaling/consumers-keda"])
def test_the_scaled_object_is_what_keda_takes(kustomization: str) -> None:
    scaled = scaled_object(rendered(kustomization))
    assert scaled.advanced is not None
    # KEDA makes an autoscaler of it, with this behaviour.
    autoscaler: Manifest = copy.deepcopy(rendered("autoscaling/consumers-hpa").manifests[0])
    autoscaler["spec"]["behavior"] = scaled.advanced.horizontal_pod_autoscaler_config.behavior
    kubernetes_validate.validate(autoscaler, NEWEST, strict=True)


def test_its_type_would_refuse_a_slip_of_the_pen() -> None:
    slip = copy.deepcopy(rendered("overlays/prod").of("ScaledObject")["consumers"])
    slip["spec"]["minReplicas"] = 2
    with pytest.raises(msgspec.ValidationError, match="minReplicas"):
        msgspec.convert(slip, ScaledObject)


@pytest.mark.parametrize("overlay", ["overlays/dev", "overlays/prod"])
def test_every_pod_may_run_in_a_restricted_namespace(overlay: str) -> None:
    cluster = rendered(overlay)
    (namespace,) = cluster.of("Namespace").values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for name, pod in cluster.pods().items():
        spec, only = pod["spec"], container(pod)
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["runAsUser"] > 0, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert only["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        assert {"cpu", "memory"} <= set(only["resources"]["requests"]), name
        assert "memory" in only["resources"]["limits"], name


def scaled_object(cluster: Cluster) -> ScaledObjectSpec:
    """The one of the consumers."""
    return msgspec.convert(cluster.of("ScaledObject")["consumers"], ScaledObject).spec
