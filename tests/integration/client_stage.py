"""What tests of clients run against: the API as a process, its Redis, and where a test has things done to both."""

import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from api_client import running_api, running_redis
from api_process import api_process
from identity_provider import KeyServer, SigningKey, key_server
from listed_release import listed_release
from redis import Redis

from assets.publish.release import publish
from serving_api import contract
from serving_api.access.key_admin import create_key
from serving_api.access.scopes import ROLES
from warehouse.local.server import any_free_port

# So few that a test gets there, and so short that it sees the end.
FEW = "3/3second"


class Stage:
    """The API with the key of an app and a provider of tokens, and what can be done to it: one thing at a time."""

    def __init__(self, server: subprocess.Popen[bytes], redis_url: str, provider: KeyServer, folder: Path) -> None:
        self._server, self._redis_url, self._provider, self._folder = server, redis_url, provider, folder
        self._signing = SigningKey("first")
        provider.keys = [self._signing.jwk]
        self._client = Redis.from_url(redis_url)
        self._port = any_free_port()
        self._api, self._running = ExitStack(), False
        self._turn = threading.Lock()
        self.url = f"http://127.0.0.1:{self._port}"
        self.key = create_key(self._client, "app", sorted(ROLES["app"]), None).secret
        publish(self._client, listed_release())

    @property
    def settings(self) -> dict[str, str]:
        """How the API tells who calls, as its settings."""
        return {name: str(value) for name, value in self._provider.settings(api_auth="both").items()}

    def start(self) -> None:
        """Start the API, unless it runs, at the address where it was before."""
        if self._running:
            return
        environment = {f"AUDOTICS_{name.upper()}": value for name, value in self.settings.items()}
        environment["AUDOTICS_API_OIDC_CLOCK_SKEW_SECONDS"] = "0"
        self._api.enter_context(api_process(self._redis_url, self._folder, environment, port=self._port))
        self._running = True

    def stop(self) -> None:
        """Stop the API."""
        self._api.close()
        self._running = False

    def close(self) -> None:
        """Stop what was started."""
        self.stop()
        self._client.close()

    def do(self, action: str, query: Mapping[str, str]) -> str:
        """Do what a test asks for, and say what came of it. Raises ValueError for what nobody can do."""
        with self._turn:
            return self._done(action, query)

    def _done(self, action: str, query: Mapping[str, str]) -> str:
        match action:
            case "publish":
                return publish(self._client, listed_release(query["marker"])).meta.release
            case "redis/pause":
                self._server.send_signal(signal.SIGSTOP)
            case "redis/resume":
                self._server.send_signal(signal.SIGCONT)
            case "api/stop":
                self.stop()
            case "api/start":
                self.start()
            case "blocks/damage":
                self._client.hset(contract.BLOCKS, query["user"], b"{")
            case "restore":
                self._server.send_signal(signal.SIGCONT)
                self._client.delete(contract.BLOCKS)
                self.start()
            case "token":
                claims = {"exp": 1} if "expired" in query else {"jti": query.get("id")}
                return self._provider.token(self._signing, query["sub"], **claims)
            case _:
                raise ValueError(f"nobody can do {action}")
        return ""


@contextmanager
def client_stage(folder: Path) -> Iterator[dict[str, str]]:
    """The environment that tells a test where the API is, the same API with a low limit, and where things are done."""
    with running_redis() as (server, redis_url), key_server() as provider, ExitStack() as stack:
        stage = Stage(server, redis_url, provider, folder)
        stack.callback(stage.close)
        stage.start()
        limited = stack.enter_context(running_api(redis_url, api_rate_limit=FEW, **stage.settings))
        control = stack.enter_context(_control(stage))
        yield {
            "AUDOTICS_API": stage.url,
            "AUDOTICS_LIMITED_API": str(limited.base_url).rstrip("/"),
            "AUDOTICS_KEY": stage.key,
            "AUDOTICS_CONTROL": control,
        }


@contextmanager
def _control(stage: Stage) -> Iterator[str]:
    class Done(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = urlsplit(self.path)
            try:
                status, said = 200, stage.do(asked.path.strip("/"), dict(parse_qsl(asked.query)))
            except (ValueError, KeyError) as error:
                status, said = 400, repr(error)
            self.send_response(status)
            self.send_header("Content-Length", str(len(said.encode())))
            self.end_headers()
            self.wfile.write(said.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Done) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
