"""Crashes are made on databases of both kinds."""

from tests.databases import database, postgres, postgres_url, store_url

__all__ = ["database", "postgres", "postgres_url", "store_url"]
