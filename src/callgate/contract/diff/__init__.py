"""What a change to tools breaks, and what it costs."""
