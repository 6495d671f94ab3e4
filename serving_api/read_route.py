"""Routes whose parameters are validated at once: path and query are one pydantic model, made when the app starts."""

from collections.abc import Callable, Coroutine
from typing import Any, get_origin
from urllib.parse import parse_qsl

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError, create_model
from starlette.types import Scope

from serving_api.access.guard import GuardedRoute


class ReadRoute(GuardedRoute):
    """A route of an endpoint `(request, *path parameters, query)`, where `query` is a model with `Query()`.

    FastAPI describes it as any other, and finds the same faults. Its own way of filling in an endpoint's parameters,
    one after the other, takes a quarter of the time of an answer (docs/adr/0042-what-an-answer-costs.md).
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request: the endpoint, with its parameters."""
        path: dict[str, Any] = {
            field.name: (field.field_info.annotation, field.field_info) for field in self.dependant.path_params
        }
        (query,) = self.dependant.query_params
        model = query.field_info.annotation
        assert isinstance(model, type) and issubclass(model, BaseModel)
        repeated = frozenset(name for name, each in model.model_fields.items() if get_origin(each.annotation) is tuple)
        # Built under the names that faults are told by: path.user_id, query.limit.
        parameters = create_model("Parameters", path=create_model("Path", **path), query=model)
        endpoint = self.endpoint

        async def answer(request: Request) -> Response:
            given = {"path": request.path_params, "query": _query(request.scope, repeated)}
            try:
                found: Any = parameters.model_validate(given)
            except ValidationError as error:
                raise RequestValidationError(error.errors(include_url=False)) from error
            response: Response = await endpoint(request, **vars(found.path), query=found.query)
            return response

        return answer


def _query(scope: Scope, repeated: frozenset[str]) -> dict[str, str | list[str]]:
    """The query by name; of a name that is there more than once and may not be repeated, the last value."""
    values: dict[str, Any] = {}
    for name, text in parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True):
        if name in repeated:
            values.setdefault(name, []).append(text)
        else:
            values[name] = text
    return values
