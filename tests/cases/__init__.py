"""What people reported of real clusters, each as a scenario file and the result that it must have."""
