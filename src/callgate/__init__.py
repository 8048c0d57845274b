"""Callgate: the tool layer between language models and the systems they act on."""
