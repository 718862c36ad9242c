"""The manifests that the stories start from."""

from __future__ import annotations

import pytest

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: nginx
        ports: [{containerPort: 8080, name: http}]
"""

SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: http}]
"""


@pytest.fixture
def deployment() -> str:
    """Three pods of one container that listens at 8080, called http."""
    return DEPLOYMENT


@pytest.fixture
def service() -> str:
    """The Service in front of them."""
    return SERVICE
