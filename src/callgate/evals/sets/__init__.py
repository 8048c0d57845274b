"""Data sets of benchmarks: where each lives in public, and how it gets here."""
