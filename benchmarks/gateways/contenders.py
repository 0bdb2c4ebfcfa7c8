"""The gateways that are measured: where each comes from, how it is started in front of one model server, and how it is asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pointsman
from gateways.environments import Environments, program

KEY = "bench-gateway-key-x7Qm2vTz"
UPSTREAM_KEY = "bench-upstream-key"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a gateway is started."""

    folder: Path  #: empty, its own
    port: int
    upstream_port: int

    @property
    def upstream(self) -> str:
        """Base URL of the model server."""
        return f"http://127.0.0.1:{self.upstream_port}/v1"

    def write(self, name: str, text: str) -> str:
        """Put a file into the folder; its path."""
        (self.folder / name).write_text(text)
        return str(self.folder / name)


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start it in its place, and what a client sends."""

    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    path: str = "/v1/chat/completions"
    model: str = "mock-model"
    headers: Mapping[str, str] = field(default_factory=dict)
    tells_port: bool = False  #: it chooses one itself, and prints `port N`


@dataclass(frozen=True, slots=True)
class Gateway:
    """A contender that can be started."""

    name: str
    version: str
    launch: Callable[[Place], Launch]


def ours(durability: str, environments: Environments) -> Gateway:
    """Pointsman as a user runs it, with every part of a request's way in use."""
    name = "pointsman" if durability == "crash" else f"pointsman {durability}"
    return Gateway(name, pointsman.__version__, partial(_launch_ours, durability))


def _launch_ours(durability: str, place: Place) -> Launch:
    config = place.write("pointsman.yaml", json.dumps(configuration(place.upstream, durability, str(place.folder / "log.db"))))
    command = [sys.executable, "-m", "pointsman", "serve", "--config", config, "--port", str(place.port)]
    env = {"POINTSMAN_API_KEY": KEY, "PYTHONPATH": str(Path(pointsman.__file__).parents[1])}  # the very one that this program imported
    return Launch(command, env, model="auto", headers={"Authorization": f"Bearer {KEY}"})


def configuration(upstream: str, durability: str, log: str) -> dict[str, object]:
    """Twenty candidates with prices, speeds and quality, a word list, a rule, two policies and a chain of fallbacks."""
    models = [
        {
            "id": f"model-{at:02}",
            "provider": "openai-compatible",
            "base_url": upstream,
            "model": "mock-model",
            "api_key": UPSTREAM_KEY,
            "perimeter": ("on_prem", "vpc", "external")[at % 3],
            "region": ("eu", "us")[at % 2],
            "approved": True,
            "context_tokens": 128_000,
            "price": {"input": round(0.05 * (at + 1), 6), "output": round(0.2 * (at + 1), 6)},
            "speed": {"ttft_ms": 600 - 25 * at, "ms_per_output_token": 5 + at},
            "quality": {"general": {"mean": round(0.4 + 0.025 * at, 3), "evidence": 50 + at}},
        }
        for at in range(20)
    ]
    return {
        "version": 1,
        "models": models,
        "routes": {"auto": {"plan": "fallback", "fallback": ["model-03", "model-06"], "latency_budget_ms": 60_000}},
        "keywords": {"confidential": ["internal only", "confidential", "do not share"]},
        "rules": [{"when": "'confidential' in signals.keywords", "labels": ["restricted"]}],
        "policies": [
            {"name": "restricted data stays inside", "when": "'restricted' in labels", "require": {"perimeter": ["on_prem"]}},
            {"name": "approved models only", "require": {"approved": True}},
        ],
        "store": {"path": log, "durability": durability},
    }


def nginx(environments: Environments) -> Gateway:
    """A reverse proxy that passes everything on: what is possible on this machine."""
    path = program("nginx")
    version = subprocess.run([path, "-v"], check=True, capture_output=True, text=True).stderr.rpartition("/")[2].strip()
    return Gateway("nginx", version, partial(_launch_nginx, path))


def _launch_nginx(path: str, place: Place) -> Launch:
    temporary = " ".join(f"{kind}_temp_path {place.folder};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    config = place.write(
        "nginx.conf",
        f"""
        worker_processes 1; daemon off; pid {place.folder}/nginx.pid; error_log stderr error;
        events {{ worker_connections 1024; }}
        http {{
          access_log off; keepalive_requests 100000000; client_body_buffer_size 1m; {temporary}
          upstream model {{ server 127.0.0.1:{place.upstream_port}; keepalive 64; keepalive_requests 100000000; }}
          server {{
            listen 127.0.0.1:{place.port};
            location / {{
              proxy_pass http://model; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
              proxy_set_header Authorization "Bearer {UPSTREAM_KEY}";
            }}
          }}
        }}
        """,
    )
    return Launch([path, "-e", "stderr", "-c", config])


def litellm(environments: Environments) -> Gateway:
    """LiteLLM's proxy, without a database, callbacks or a key: all in its favour."""
    folder, version = environments.pip("litellm", "litellm[proxy]")
    return Gateway("litellm", version, partial(_launch_litellm, folder))


def _launch_litellm(folder: Path, place: Place) -> Launch:
    called = {"model": "openai/mock-model", "api_base": place.upstream, "api_key": UPSTREAM_KEY}
    config = {
        "model_list": [{"model_name": "mock-model", "litellm_params": called}],
        "litellm_settings": {"num_retries": 0, "set_verbose": False},
        "general_settings": {"disable_spend_logs": True},
    }
    env = {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOG": "ERROR",
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
    }
    given = ["--config", place.write("litellm.yaml", json.dumps(config)), "--host", "127.0.0.1", "--port", str(place.port)]
    return Launch([str(folder / "litellm"), *given, "--telemetry", "False"], env)


def portkey(environments: Environments) -> Gateway:
    """Portkey's gateway. With newer releases of these two dependencies than it was made with, its streams answer 500."""
    node = program("node")
    folder, version = environments.npm("portkey", "@portkey-ai/gateway", {"hono": "4.9.7", "@hono/node-server": "1.13.5"})
    return Gateway("portkey", version, partial(_launch_portkey, node, folder))


def _launch_portkey(node: str, folder: Path, place: Place) -> Launch:
    command = [node, str(folder / "build/start-server.js"), "--headless", f"--port={place.port}"]
    headers = {"x-portkey-provider": "openai", "x-portkey-custom-host": place.upstream, "Authorization": f"Bearer {UPSTREAM_KEY}"}
    return Launch(command, {"NODE_ENV": "production"}, headers=headers)


def tensorzero(environments: Environments) -> Gateway:
    """TensorZero's gateway (Rust), as its Python wheel holds it, without its database."""
    folder, version = environments.pip("tensorzero", "tensorzero")
    return Gateway("tensorzero", version, partial(_launch_tensorzero, folder))


_TENSORZERO = """
import signal, sys
from tensorzero.tensorzero import _start_http_gateway
gateway = _start_http_gateway(config_file=sys.argv[1], clickhouse_url=None, postgres_url=None, valkey_url=None, async_setup=False)
print("port", gateway.base_url.partition("127.0.0.1:")[2].partition("/")[0], flush=True)
signal.pause()
"""


def _launch_tensorzero(folder: Path, place: Place) -> Launch:
    config = f"""
    gateway.observability.enabled = false
    [models.mock-model]
    routing = ["upstream"]
    [models.mock-model.providers.upstream]
    type = "openai"
    model_name = "mock-model"
    api_base = "{place.upstream}"
    api_key_location = "env::UPSTREAM_KEY"
    """
    command = [str(folder / "python"), place.write("start.py", _TENSORZERO), place.write("tensorzero.toml", config)]
    return Launch(
        command, {"UPSTREAM_KEY": UPSTREAM_KEY}, "/openai/v1/chat/completions", "tensorzero::model_name::mock-model", tells_port=True
    )


def smg(environments: Environments) -> Gateway:
    """Shepherd Model Gateway (Rust): balances load over servers and passes answers on."""
    folder, version = environments.pip("smg", "smg")
    return Gateway("smg", version, partial(_launch_smg, folder))


def _launch_smg(folder: Path, place: Place) -> Launch:
    given = ["--host", "127.0.0.1", "--port", str(place.port), "--worker-urls", place.upstream.removesuffix("/v1"), "--backend", "openai"]
    metrics = ["--prometheus-host", "127.0.0.1", "--prometheus-port", str(place.port + 1)]
    return Launch([str(folder / "smg"), "launch", *given, "--log-level", "error", *metrics], {"PATH": os.environ["PATH"]})


CONTENDERS: dict[str, Callable[[Environments], Gateway]] = {
    "pointsman": partial(ours, "crash"),
    "pointsman power": partial(ours, "power"),
    "pointsman async": partial(ours, "async"),
    "litellm": litellm,
    "portkey": portkey,
    "tensorzero": tensorzero,
    "smg": smg,
    "nginx": nginx,
}
