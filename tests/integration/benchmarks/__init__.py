"""Tests of benchmarks/ against the real stores."""
