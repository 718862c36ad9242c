"""Bytes in, plain objects with their places out: files, YAML, JSON, and Kubernetes' field names."""
