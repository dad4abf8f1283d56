"""consumers/shortages.py: one line a minute says what of our own keeps messages back."""

import pytest
from structlog.testing import capture_logs

from consumers import shortages as module
from consumers.shortages import Shortages


def test_each_is_logged_at_once_and_then_once_a_minute_with_its_count() -> None:
    now = 0.0
    shortages = Shortages(lambda: now)
    with capture_logs() as logged:
        for _ in range(5):
            shortages.count("no key")
        shortages.count("no file")
        now += 60
        for _ in range(3):
            shortages.count("no key")
    assert [(line["error"], line["deliveries"]) for line in logged] == [("no key", 1), ("no file", 1), ("no key", 5)]
    assert {line["log_level"] for line in logged} == {"error"}


def test_those_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_KEPT", 3)
    now = 0.0
    shortages = Shortages(lambda: now)
    for n in range(20):
        now += 1
        shortages.count(f"e{n}")
    assert len(shortages._since) == len(shortages._counts) == 3
    with capture_logs() as logged:
        shortages.count("e19")
    assert logged == []
