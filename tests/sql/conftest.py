"""A database server for the tests of this folder."""

from tests.databases import postgres, postgres_url

__all__ = ["postgres", "postgres_url"]
