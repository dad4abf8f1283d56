"""compose/loki and compose/alloy: parts that fit together, and fields that the log lines have."""

import io
import json
import re

import structlog
import yaml

from tests.observe.expressions import COMPOSE
from tidings.observability.logs import configure_logging

ALLOY = (COMPOSE / "alloy" / "config.alloy").read_text("utf-8")


def components() -> set[str]:
    return {f"{kind}.{name}" for kind, name in re.findall(r'^([a-z.]+) "(\w+)" \{', ALLOY, re.MULTILINE)}


def test_every_component_that_alloy_is_sent_to_exists() -> None:
    named = set(re.findall(r"\b((?:discovery|loki)\.\w+\.\w+)\.(?:targets|output|receiver)\b", ALLOY))
    assert named
    assert named <= components()
    # All but the first and the last are fed, and feed.
    assert components() - named == {"loki.source.docker.containers"}


def test_the_braces_of_alloy_are_balanced() -> None:
    bare = re.sub(r'"(?:\\.|[^"\\])*"|//[^\n]*', "", ALLOY)
    for opening, closing in ("{}", "[]", "()"):
        assert bare.count(opening) == bare.count(closing)


def test_alloy_writes_to_the_loki_of_compose() -> None:
    loki = yaml.safe_load((COMPOSE / "loki" / "loki.yaml").read_text("utf-8"))
    compose = yaml.safe_load((COMPOSE / "docker-compose.yaml").read_text("utf-8"))
    [(host, port)] = re.findall(r'url = "http://(\w+):(\d+)/loki/api/v1/push"', ALLOY)
    assert int(port) == loki["server"]["http_listen_port"]
    assert f"-config.file=/etc/{host}/loki.yaml" in compose["services"][host]["command"]
    assert f"./{host}:/etc/{host}:ro" in compose["services"][host]["volumes"]
    [folder] = [volume.split(":")[1] for volume in compose["services"][host]["volumes"] if volume.startswith("loki:")]
    assert loki["common"]["path_prefix"] == folder
    [wanted] = re.findall(r"com\.docker\.compose\.project=(\w+)", ALLOY)
    assert compose["name"] == wanted


def test_alloy_reads_fields_that_the_lines_have() -> None:
    [expressions] = re.findall(r"expressions = \{(.*?)\}", ALLOY, re.DOTALL)
    read = {name if source == "" else source for name, source in re.findall(r'(\w+)\s*= "(\w*)"', expressions)}
    stream = io.StringIO()
    configure_logging("consumer", "INFO", consumer="c1", stream=stream)
    structlog.get_logger("consumers.leases").warning("lost a batch", batch="b", message="m", trace_id="t")
    line = json.loads(stream.getvalue())
    assert read <= line.keys()
    assert line["consumer"] == "c1"
