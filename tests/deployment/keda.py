"""KEDA's ScaledObject as far as we use it, after its reference (keda.sh/v1alpha1): any other field is refused.

kubernetes-validate knows what Kubernetes brings along, and KEDA is none of that.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Count = Annotated[int, Meta(ge=0)]


class _Strict(msgspec.Struct, forbid_unknown_fields=True, rename="camel", kw_only=True):
    pass


class Target(_Strict):
    name: str
    api_version: str = "apps/v1"
    kind: str = "Deployment"


class Prometheus(_Strict):
    """Of the trigger; all texts."""

    server_address: str
    query: str
    threshold: Annotated[str, Meta(pattern=r"^\d+$")]
    activation_threshold: Annotated[str, Meta(pattern=r"^\d+$")] = "0"
    ignore_null_values: Literal["true", "false"] = "true"


class Trigger(_Strict):
    type: Literal["prometheus"]
    metadata: Prometheus
    metric_type: Literal["AverageValue", "Value"] = "AverageValue"


class Fallback(_Strict):
    failure_threshold: Count
    replicas: Count


class AutoscalerConfig(_Strict):
    behavior: dict[str, Any]
    """As in HorizontalPodAutoscaler, against whose schema it can be held."""


class Advanced(_Strict):
    horizontal_pod_autoscaler_config: AutoscalerConfig


class ScaledObjectSpec(_Strict):
    scale_target_ref: Target
    triggers: Annotated[list[Trigger], Meta(min_length=1)]
    min_replica_count: Count = 0
    max_replica_count: Count = 100
    polling_interval: Count = 30
    cooldown_period: Count = 300
    fallback: Fallback | None = None
    advanced: Advanced | None = None


class ScaledObject(_Strict):
    api_version: Literal["keda.sh/v1alpha1"]
    kind: Literal["ScaledObject"]
    metadata: dict[str, Any]
    spec: ScaledObjectSpec
