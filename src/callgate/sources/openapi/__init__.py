"""Tools from OpenAPI documents: `kind = "openapi"`."""
