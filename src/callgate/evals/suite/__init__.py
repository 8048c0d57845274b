"""A suite of cases: read, run by any model, judged, and summed up."""
