"""From a scenario as written to resolved records: one file per section."""
