"""The contract of a tool: what a change to it breaks, shown by a call. Pure: nothing here does I/O."""
