"""What a surface promises, judged without running it: pure, no I/O."""
