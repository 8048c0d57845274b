"""Every test here gets databases of both kinds."""

from tests.databases import database, postgres, store_url

__all__ = ["database", "postgres", "store_url"]
