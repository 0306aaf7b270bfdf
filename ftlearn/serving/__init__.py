"""A saved model as a service: requests are validated, batched, answered and measured.

``app`` and ``chat`` have the routes, ``gate`` what every request passes before them, ``batcher``
and ``generation_queue`` the queues, ``predictor`` and ``chat_model`` the models, ``page`` the page
in a browser, ``measurements`` what Prometheus collects. Needs the extra ``serving``.
"""

from ftlearn.serving.app import create_app
from ftlearn.serving.chat_model import ChatModel
from ftlearn.serving.opening import opened
from ftlearn.serving.predictor import Predictor
from ftlearn.serving.settings import ServeSettings

__all__ = ["ChatModel", "Predictor", "ServeSettings", "create_app", "opened"]
