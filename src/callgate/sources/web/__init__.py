"""Tools behind HTTP: operations, how they become requests, and a client on its guard."""
