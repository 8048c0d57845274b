"""Named SQL statements as tools: `kind = "sql"`."""
