"""Tests of benchmarks/, as far as nothing is measured."""
