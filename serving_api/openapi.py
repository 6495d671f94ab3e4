"""`python -m serving_api.openapi`: prints the OpenAPI description, from which clients are made; needs no Redis."""

import sys

import orjson

from serving_api.app import create_app
from serving_api.settings import ServingSettings


def description() -> bytes:
    """The description as JSON, as `/openapi.json` answers it."""
    # Nothing is read to describe the API, and no setting changes what it says.
    app = create_app(ServingSettings(redis_url="redis://127.0.0.1/0", api_auth="keys", api_host="127.0.0.1"))
    return orjson.dumps(app.openapi(), option=orjson.OPT_INDENT_2)


if __name__ == "__main__":
    sys.stdout.buffer.write(description())
