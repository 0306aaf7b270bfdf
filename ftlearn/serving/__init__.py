"""A saved model as a service: requests are validated, batched, answered and measured.

``app`` has the routes, ``gate`` what every request passes before them, ``batcher`` the queue,
``predictor`` the model, ``measurements`` what Prometheus collects. Needs the extra ``serving``.
"""

from ftlearn.serving.app import create_app
from ftlearn.serving.predictor import Predictor
from ftlearn.serving.settings import ServeSettings

__all__ = ["Predictor", "ServeSettings", "create_app"]
