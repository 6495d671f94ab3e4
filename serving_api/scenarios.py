"""Scenarios as Redis has them: read at most once a second, and kept while Redis does not answer."""

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import replace
from typing import cast

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from redis.asyncio import Redis

from serving_api import contract
from serving_api.errors import StoreUnavailableError, UnknownScenarioError, UnreadableScenarioError
from serving_api.pages import Window
from serving_api.reading import unavailable_on_redis_error
from serving_api.rule_fields import RULE_NAMES, ContradictionError, Ruled, RuledQuery, Scenario, rules_of

READ_AGAIN_AFTER_SECONDS = 1.0


async def ruled(window: Window, asked: Ruled, scenarios: "Scenarios") -> Window:
    """The window with the rules that a request states.

    Raises RequestValidationError where nothing could pass them, and what `Scenarios.of` raises.
    """
    if asked.scenario is None and RULE_NAMES.isdisjoint(asked.model_fields_set):
        return window
    scenario = await scenarios.of(asked.scenario) if asked.scenario is not None else None
    try:
        rules = rules_of(asked, asked.scenario, scenario)
    except ContradictionError as error:
        place = "query" if isinstance(asked, RuledQuery) else "body"
        fault = {"type": "value_error", "loc": (place, error.field), "msg": str(error)}
        raise RequestValidationError([fault]) from error
    return replace(window, rules=rules)


class Scenarios:
    """The scenarios that there are."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._reading = asyncio.Lock()
        self._read_at: float | None = None
        self._packed: dict[bytes, bytes] = {}
        self._scenarios: dict[str, Scenario] = {}

    async def of(self, name: str) -> Scenario:
        """A scenario by its name.

        Raises UnknownScenarioError; UnreadableScenarioError for one that is damaged, as a list without its rules might
        hold what they keep out; StoreUnavailableError where Redis has not answered so far.
        """
        async with self._reading:
            if self._read_at is None or time.monotonic() - self._read_at >= READ_AGAIN_AFTER_SECONDS:
                await self._read()
        if name not in self._scenarios:
            self._scenarios[name] = self._unpacked(name)
        return self._scenarios[name]

    async def _read(self) -> None:
        try:
            with unavailable_on_redis_error():
                packed = await cast(Awaitable[dict[bytes, bytes]], self._redis.hgetall(contract.SCENARIOS))
        except StoreUnavailableError:
            if self._read_at is None:
                raise
        else:
            if packed != self._packed:
                self._packed, self._scenarios = packed, {}
        self._read_at = time.monotonic()

    def _unpacked(self, name: str) -> Scenario:
        packed = self._packed.get(name.encode())
        if packed is None:
            raise UnknownScenarioError(name)
        try:
            return Scenario.model_validate_json(packed)
        except ValidationError as error:
            raise UnreadableScenarioError(name) from error
