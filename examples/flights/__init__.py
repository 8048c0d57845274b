"""The demo: a language model answers questions about 336,776 real flights by calling tools."""
