"""Reads one replication: from its histories and records to rows, delays and reasons."""
