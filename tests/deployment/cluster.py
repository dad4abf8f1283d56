"""What `kubectl kustomize` makes of our manifests, and the questions that tests ask of it."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

import yaml

from tests.deployment.files import KUBERNETES, program, run

Manifest = dict[str, Any]

WORKLOADS: Final = ("Deployment", "StatefulSet", "Job")


class Cluster:
    """All manifests of one kustomization."""

    def __init__(self, manifests: list[Manifest]) -> None:
        self.manifests = manifests

    def of(self, *kinds: str) -> dict[str, Manifest]:
        """The manifests of some kinds, by their names."""
        return {manifest["metadata"]["name"]: manifest for manifest in self.manifests if manifest["kind"] in kinds}

    def pods(self) -> dict[str, Manifest]:
        """The pod template of each workload, by the workload's name."""
        return {name: workload["spec"]["template"] for name, workload in self.of(*WORKLOADS).items()}

    def ours(self) -> dict[str, Manifest]:
        """The pod templates that run a process of tidings."""
        return {name: pod for name, pod in self.pods().items() if "command" not in container(pod) and is_ours(pod)}

    def selected(self, selector: Manifest) -> set[str]:
        """The workloads whose pods a selector selects."""
        return {name for name, pod in self.pods().items() if selects(selector, pod["metadata"]["labels"])}

    def environment(self, name: str) -> dict[str, str | None]:
        """The variables of a workload's container; None for what comes from a Secret."""
        variables: dict[str, str | None] = {}
        holder = container(self.pods()[name])
        for source in holder.get("envFrom", ()):
            variables.update(self.of("ConfigMap")[source["configMapRef"]["name"]]["data"])
        for variable in holder.get("env", ()):
            told = "metadata.name" if "fieldRef" in variable.get("valueFrom", {}) else None
            variables[variable["name"]] = variable.get("value", told)
        return variables

    def secret_keys(self, name: str) -> Iterator[tuple[str, bool]]:
        """The keys of Secret `tidings` that a workload reads, and whether it can do without."""
        for variable in container(self.pods()[name]).get("env", ()):
            reference = variable.get("valueFrom", {}).get("secretKeyRef")
            if reference:
                assert reference["name"] == "tidings"
                yield reference["key"], reference.get("optional", False)


@cache
def rendered(kustomization: str) -> Cluster:
    """A folder under kubernetes/."""
    return Cluster(list(yaml.safe_load_all(run(program("kubectl"), "kustomize", KUBERNETES / kustomization))))


def container(pod: Manifest) -> Manifest:
    """The one container of a pod."""
    (only,) = pod["spec"]["containers"]
    assert isinstance(only, dict)
    return only


def is_ours(pod: Manifest) -> bool:
    """Whether it runs our image."""
    return str(container(pod)["image"]).startswith("tidings:")


def ports(pod: Manifest) -> dict[str, int]:
    """The ports of a pod's container by their names."""
    return {port["name"]: port["containerPort"] for port in container(pod).get("ports", ())}


def selects(selector: Manifest, labels: Mapping[str, str]) -> bool:
    """By `matchLabels` and `matchExpressions` with `In`, which are all that we use."""
    assert set(selector) <= {"matchLabels", "matchExpressions"}, selector
    expressions = selector.get("matchExpressions", ())
    assert all(expression["operator"] == "In" for expression in expressions)
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()) and all(
        labels.get(expression["key"]) in expression["values"] for expression in expressions
    )
