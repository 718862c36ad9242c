"""HorizontalPodAutoscalers: the metrics they read, the algorithm, the controller."""
