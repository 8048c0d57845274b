"""Versioned templates that render the tool-use part of a prompt."""
