"""One file a step. A step once released never changes."""
