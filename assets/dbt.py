"""The dbt project as assets: from staging to analytics by changed days, and what became of the recommendations."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import cache, cached_property
from importlib.metadata import version
from typing import Any, Literal

import dagster as dg
from dagster_dbt import (
    DagsterDbtTranslator,
    DagsterDbtTranslatorSettings,
    DbtCliInvocation,
    DbtCliResource,
    DbtProject,
    dbt_assets,
)
from packaging.version import Version
from sqlalchemy import Connection

from assets import duplicates
from assets.dbt_project import (
    BUILD,
    DBT,
    MANIFEST,
    PROJECT,
    TARGET,
    ProjectCode,
    dates_environment,
    dbt_environment,
    manifest_path,
    project_code,
)
from quality.checks.upstream import stop_on_failed_checks
