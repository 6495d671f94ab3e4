"""`python -m serving_api`: the read API on the address of its settings."""

from serving_api.server import serve
from serving_api.settings import ServingSettings

if __name__ == "__main__":
    serve(ServingSettings())
