"""Tables and what is kept in them, on SQLite and PostgreSQL. Needs the extra `store`."""
