"""Public benchmarks: one module reads the data of one and scores outputs by its official rules."""
