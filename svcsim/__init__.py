"""svcsim: a discrete-event performance simulator for Kubernetes service load balancing."""
