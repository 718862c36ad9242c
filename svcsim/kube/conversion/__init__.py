"""Checked Kubernetes objects to svcsim's records: one file per family of fields."""
