"""`python -m serving_api`: the read API on the address of its settings."""

import uvicorn

from serving_api.app import create_app
from serving_api.settings import ServingSettings

if __name__ == "__main__":
    settings = ServingSettings()
    uvicorn.run(
        create_app(settings),
        host=settings.api_host,
        port=settings.api_port,
        ssl_certfile=settings.api_tls_cert,
        ssl_keyfile=settings.api_tls_key,
        log_config=None,
    )
