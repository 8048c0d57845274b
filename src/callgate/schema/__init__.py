"""JSON Schema: read from Python, checked, repaired, brought into canonical form. No I/O."""
