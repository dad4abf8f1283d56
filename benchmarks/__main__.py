"""`python -m benchmarks`: all figures, in the order of their numbers."""

from benchmarks import (
    bad_receivers,
    bulk_intake,
    claim,
    cpu,
    intake,
    latency,
    lateness,
    mail,
    memory,
    queue_comparison,
    round_trips,
    steady,
    throughput,
)
from benchmarks.rig.running import main

FIGURES = (
    throughput.FIGURE,
    queue_comparison.FIGURE,
    cpu.FIGURE,
    lateness.FIGURE,
    latency.FIGURE,
    intake.FIGURE,
    bulk_intake.FIGURE,
    round_trips.FIGURE,
    claim.FIGURE,
    bad_receivers.FIGURE,
    mail.FIGURE,
    memory.FIGURE,
    steady.FIGURE,
)

if __name__ == "__main__":
    main(*FIGURES)
