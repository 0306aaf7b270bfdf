"""Nothing in the package runs code from a file, serves unasked, or lets a token out."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from source_code import docstrings, imported, name_of
from waiting import HANG

from tools.notebooks import ROOT

PACKAGE = ROOT / "ftlearn"
MODULES = sorted(PACKAGE.rglob("*.py"))
PICKLERS = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
PICKLING = {"read_pickle", "to_pickle", "unsafe_load", "full_load", "fromfile", "get_obj"}
PICKLING_OF = {"torch": {"load", "save"}, "yaml": {"load", "load_all"}, "jsonpickle": {"decode"}}
RUNNERS = {"eval", "exec", "compile", "__import__"}
SHELLS = {("os", "system"), ("os", "popen"), ("runpy", "run_path")}
UNSAFE_WHEN = {  # arguments, and the one value that they may have
    "allow_pickle": False,
    "weights_only": True,
    "use_safetensors": True,
    "safe_serialization": True,
    "shell": False,
}
SERVERS = {"socket", "socketserver", "http.server", "wsgiref", "xmlrpc.server", "uvicorn"}
SERVERS |= {"fastapi", "flask", "starlette", "aiohttp", "tornado"}
SERVING = {"start_server", "start_unix_server", "create_server", "Listener"}
TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACEHUB_API_TOKEN", "get_token")


def runs_code(tree: ast.AST) -> list[str]:
    """What could run code out of a file or a text: pickles, eval, remote code, shells."""
    found = []
    for node in ast.walk(tree):
        where = f"line {getattr(node, 'lineno', 0)}"
        wrong = {name for name in imported(node) if name.split(".")[0] in PICKLERS}
        wrong |= {
            name for name in imported(node) if tuple(name.rsplit(".", 1)) in _pickling_names()
        }
        found += [f"{where}: imports {name}" for name in sorted(wrong)]
        if isinstance(node, ast.Name) and node.id in RUNNERS:
            found.append(f"{where}: {node.id}")
        if isinstance(node, ast.Attribute) and _runs(node):
            found.append(f"{where}: {ast.unparse(node)}")
        if isinstance(node, ast.Call):
            found += [f"{where}: {told}" for told in _unsafe_arguments(node)]
        if _names_remote_code(node):
            found.append(f"{where}: trust_remote_code")
    return found


def _pickling_names() -> set[tuple[str, str]]:
    return {(module, name) for module, names in PICKLING_OF.items() for name in names} | SHELLS


def _runs(node: ast.Attribute) -> bool:
    owner = name_of(node.value)
    return node.attr in PICKLING or (owner, node.attr) in _pickling_names()


def _unsafe_arguments(call: ast.Call) -> list[str]:
    told = []
    for key in call.keywords:
        if key.arg in UNSAFE_WHEN:
            value = (
                getattr(key.value, "value", None) if isinstance(key.value, ast.Constant) else None
            )
            if value is not UNSAFE_WHEN[key.arg]:
                told.append(f"{key.arg}={ast.unparse(key.value)}")
    saves = name_of(call.func) in {"save", "savez", "savez_compressed"}
    numpy = saves and name_of(getattr(call.func, "value", call.func)) in {"np", "numpy"}
    if numpy and "allow_pickle" not in {key.arg for key in call.keywords}:
        told.append("numpy pickles objects unless allow_pickle=False")
    return told


def _names_remote_code(node: ast.AST) -> bool:
    named = getattr(node, "arg", None) or getattr(node, "attr", None) or getattr(node, "id", None)
    if isinstance(node, ast.Constant):
        named = node.value
    return named == "trust_remote_code"


def serves(tree: ast.AST) -> list[str]:
    """What opens a port that others can reach."""
    found = []
    for node in ast.walk(tree):
        where = f"line {getattr(node, 'lineno', 0)}"
        wrong = {
            name for name in imported(node) if name in SERVERS or name.split(".")[0] in SERVERS
        }
        found += [f"{where}: imports {name}" for name in sorted(wrong)]
        if isinstance(node, ast.Attribute | ast.Name) and name_of(node) in SERVING:
            found.append(f"{where}: {name_of(node)}")
    return found


def reads_tokens(tree: ast.AST) -> list[str]:
    """Where a token is asked for, or the whole environment taken: single variables may be read."""
    said, found = docstrings(tree), []
    single = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript)
        or (isinstance(node, ast.Attribute) and node.attr in ("get", "setdefault", "pop"))
    }
    single |= {
        id(place)
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare)
        for place in node.comparators
    }
    for node in ast.walk(tree):
        where = f"line {getattr(node, 'lineno', 0)}"
        text = node.value if isinstance(node, ast.Constant) else name_of(node)
        text = text if isinstance(text, str) and id(node) not in said else ""
        text = " ".join([text, *imported(node)])
        found += [f"{where}: {token}" for token in TOKENS if token in text]
        whole = isinstance(node, ast.Attribute | ast.Name) and name_of(node) == "environ"
        if whole and id(node) not in single:
            found.append(f"{where}: the whole environment")
    return found


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


each_module = pytest.mark.parametrize(
    "path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE))
)


@each_module
def test_no_file_and_no_text_is_run_as_code(path: Path):
    assert runs_code(parsed(path)) == []


@each_module
def test_only_serving_opens_a_port(path: Path):
    served = path.relative_to(PACKAGE).parts[0].removesuffix(".py") == "serving"
    in_process = path == PACKAGE / "capstone" / "service.py"  # a client that calls the app itself
    assert served or in_process or serves(parsed(path)) == []


@each_module
def test_no_token_is_asked_for(path: Path):
    assert reads_tokens(parsed(path)) == []


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "import _pickle as p",
        "from pickle import loads",
        "import joblib.numpy_pickle",
        "from dill import load",
        "import marshal, shelve",
        "torch.load(path)",
        "torch.save(model, path)",
        "from torch import load",
        "pd.read_pickle(path)",
        "frame.to_pickle(path)",
        "yaml.load(text)",
        "yaml.unsafe_load(text)",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=flag)",
        "np.save(path, array)",
        "numpy.savez(path, a=array)",
        "torch.hub.load_state_dict_from_url(url, weights_only=False)",
        "AutoModel.from_pretrained(name, use_safetensors=None)",
        "model.save_pretrained(folder, safe_serialization=False)",
        "AutoModel.from_pretrained(name, trust_remote_code=True)",
        "options['trust_remote_code'] = True",
        "eval(text)",
        "exec(text)",
        "run = exec",
        "compile(text, '', 'exec')",
        "__import__(name)",
        "os.system(text)",
        "subprocess.run(text, shell=True)",
        "runpy.run_path(path)",
    ],
)
def test_rule_against_running_code_bites(code: str):
    assert runs_code(ast.parse(code)) != []


@pytest.mark.parametrize(
    "code",
    [
        "import socket",
        "from http.server import HTTPServer",
        "import http.server",
        "import uvicorn",
        "from fastapi import FastAPI",
        "asyncio.start_server(answer)",
        "loop.create_server(answer)",
    ],
)
def test_rule_against_serving_bites(code: str):
    assert serves(ast.parse(code)) != []


@pytest.mark.parametrize(
    "code",
    [
        "os.environ['HF_TOKEN']",
        "os.getenv('HUGGING_FACE_HUB_TOKEN')",
        "from huggingface_hub import get_token",
        "huggingface_hub.get_token()",
        "dict(os.environ)",
        "print(os.environ)",
        "env = {**os.environ}",
        "os.environ.copy()",
        "for name in os.environ: print(name)",
        "from os import environ as e\nsummary(environ)",
    ],
)
def test_rule_against_tokens_bites(code: str):
    assert reads_tokens(ast.parse(code)) != []


@pytest.mark.parametrize(
    "code",
    [
        "model.eval()",
        "re.compile('a')",
        "safetensors.torch.load_file(path)",
        "np.load(path, allow_pickle=False)",
        "data.load('topics')",
        "saved.save(model)",
        "os.environ.get('RANK')",
        "int(os.environ['WORLD_SIZE'])",
        "'RANK' in os.environ",
        "from http import HTTPStatus",
        "def f():\n '''Needs no HF_TOKEN.'''",
    ],
)
def test_rules_let_good_code_pass(code: str):
    tree = ast.parse(code)
    assert runs_code(tree) + serves(tree) + reads_tokens(tree) == []


TOKEN = "hf_" + "MarkerOfASecret" * 2
ERRORS = """
import traceback
from ftlearn import doctor, models
print(*doctor.examine(), sep="\\n")
for name in ("no/such-model", "minilm-of-nobody", "distilbert"):
    try:
        models.load(name)
    except models.ModelError:
        print("ModelError")
        traceback.print_exc()
"""


class Refusing(BaseHTTPRequestHandler):
    """A Hub that refuses everybody, and notes what it was sent."""

    sent: list[str]

    def do_GET(self) -> None:
        self.sent.append(self.headers.get("Authorization", ""))
        self.send_response(401)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *given: object) -> None:
        """Says nothing."""


@pytest.fixture
def hub() -> Iterator[tuple[str, list[str]]]:
    """The address of a Hub that refuses, and the authorisations it was sent."""
    sent: list[str] = []
    handler = type("Handler", (Refusing,), {"sent": sent})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", sent
    server.shutdown()
    thread.join()
    server.server_close()


def told(code: list[str], home: Path, **environment: str) -> str:
    """All that a new process says, with a token in its environment."""
    tokens = {"HF_TOKEN": TOKEN, "HUGGING_FACE_HUB_TOKEN": TOKEN}
    proxies = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    here = {**os.environ, "HF_HOME": str(home), **tokens, **proxies, **environment}
    run = subprocess.run(
        [sys.executable, *code], capture_output=True, text=True, env=here, timeout=HANG, check=True
    )
    return run.stdout + run.stderr


@pytest.mark.parametrize("offline", ["1", "0"], ids=["offline", "refused by the Hub"])
def test_no_token_reaches_what_is_said(hub: tuple[str, list[str]], tmp_path: Path, offline: str):
    address, sent = hub
    said = told(["-c", ERRORS], tmp_path, HF_ENDPOINT=address, HF_HUB_OFFLINE=offline)
    assert said.count("ModelError\n") == 3
    assert "Traceback" in said
    assert "offline model" in said  # the doctor spoke
    assert TOKEN not in said
    # The token was in use, and could have come out: else this test would prove nothing.
    assert any(TOKEN in each for each in sent) == (offline == "0")


def test_a_token_that_is_said_is_found(tmp_path: Path):
    assert TOKEN in told(["-c", "import os; print(os.environ['HF_TOKEN'])"], tmp_path)


COMMANDS = """
import shutil, sys
from ftlearn import cli
shutil.rmtree = lambda folder, **more: None  # the checkpoints stay, to be searched
checkpoint, folder = sys.argv[1:]
train, run = f"{folder}/train.csv", f"{folder}/run"
fit = ["fit", train, "--text", "text", "--label", "label", "--epochs", "1", "--device", "cpu"]
print("code", cli.main([*fit, "--checkpoint", checkpoint, "--out", run]))
print("code", cli.main(["evaluate", run, train, "--errors", "3", "--json", f"{folder}/all.json"]))
print("code", cli.main(["predict", run, "--input", train, "--output", f"{folder}/answers.jsonl"]))
print("code", cli.main(["doctor"]))
print("code", cli.main([*fit, "--checkpoint", "no/such", "--out", f"{folder}/none"]))
"""
WRITTEN = {"report.json", "report.html", "history.csv", "run.json", "model.safetensors"}
WRITTEN |= {"state.json", "all.json", "answers.jsonl"}


def test_no_token_reaches_what_the_commands_say_or_write(
    tiny_bert: Path, hub: tuple[str, list[str]], tmp_path: Path
):
    address, sent = hub
    rows = [
        f"the team had {row} days of {'sun' if row % 2 else 'snow'},{'warm' if row % 2 else 'cold'}"
        for row in range(30)
    ]
    (tmp_path / "train.csv").write_text("\n".join(["text,label", *rows]), encoding="utf-8")
    code = ["-c", COMMANDS, str(tiny_bert), str(tmp_path)]
    said = told(code, tmp_path / "home", HF_ENDPOINT=address, HF_HUB_OFFLINE="0")
    assert [line for line in said.splitlines() if line.startswith("code ")] == [
        *["code 0"] * 4,
        "code 2",
    ]
    assert TOKEN not in said
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= WRITTEN
    assert [path for path in files if TOKEN.encode() in path.read_bytes()] == []
    assert any(TOKEN in each for each in sent)  # it was in use, and could have come out
