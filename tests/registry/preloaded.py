"""What the server of killed processes imports once for all of them."""

import mlflow.pyfunc
import mlflow.store.tracking.sqlalchemy_store  # noqa: F401

import tests.registry.orders  # noqa: F401
