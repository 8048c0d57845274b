"""Evaluation: cases, scorers, statistics, and the benchmarks as readers and scorers of data."""
