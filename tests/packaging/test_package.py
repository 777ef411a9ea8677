"""The packages that are deployed work on their own, are compiled, and contain what is needed.

This needs uv on PATH and downloads wheels. It does not need a Python of Lambda's version.
"""

import gzip
import importlib.util
import json
import os
import re
import runpy
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from marshal import loads
from pathlib import Path
from types import CodeType
from typing import Any

import botocore
import pytest

from tests.local import aws, elevenlabs
from tests.support.events import queue_event
from tests.support.template import ROOT, load_template
from tests.support.venvs import PROCESSOR

if sys.platform != "linux":
    pytest.skip("packages contain Linux binaries", allow_module_level=True)

BUILD = ROOT / "functions" / "build"
FUNCTIONS = load_template().resources("AWS::Serverless::Function")
WARMED_UP = [name for name in FUNCTIONS if FUNCTIONS[name]["Handler"].startswith("cold_start.")]
THIS_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
LAMBDA_PYTHON = load_template().content["Globals"]["Function"]["Runtime"].removeprefix("python")
TAGS = {
    "arm64": (f"cpython-{LAMBDA_PYTHON.replace('.', '')}-aarch64-linux-gnu", 183),
    "x86_64": (f"cpython-{LAMBDA_PYTHON.replace('.', '')}-x86_64-linux-gnu", 62),
}
"""By processor: Python's tag of its binaries, and the machine number in an ELF header."""

MAX_BYTES = 20_000_000
DATA = Path(botocore.__file__).parent / "data"

# -S: no site-packages; -I: no variables and no current directory. Everything comes from the package or from Python.
PROGRAM = """
import importlib, json, sys
from types import SimpleNamespace
folder, name, *events = sys.argv[1:]
sys.path.insert(0, folder)
compiled = {"texts": 0, "patterns": 0}
def note_text(event, arguments):
    compiled["texts"] += event == "compile"
def note_pattern(frame, event, argument):
    code = frame.f_code
    compiled["patterns"] += event == "call" and code.co_name == "parse" and code.co_filename.endswith("re/_parser.py")
sys.addaudithook(note_text)
sys.setprofile(note_pattern)
module, _, function = name.rpartition(".")
handler = getattr(importlib.import_module(module), function)
sys.setprofile(None)
context = SimpleNamespace(
    function_name="f", memory_limit_in_mb=512, invoked_function_arn="arn", aws_request_id="request-1",
    get_remaining_time_in_millis=lambda: 60_000,
)
results = [handler(json.load(open(event)), context) for event in events]
sources = [(getattr(module, "__file__", None), getattr(module, "__cached__", None)) for module in sys.modules.values()]
modules = [pair for pair in sources if pair[0] and pair[0].startswith(folder)]
print(json.dumps({"results": results, "modules": modules, "compiled": compiled}))
"""


def build(output: Path, name: str, architecture: str, python: str, **variables: str) -> str:
    """Run the program as make does; return what it prints."""
    command = ["python3", str(BUILD / "package.py"), name, "--architecture", architecture, "--python", python]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", **variables}
    result = subprocess.run(
        [*command, "--output", str(output)],
        env=environment,
        cwd=ROOT / "functions",
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return result.stdout


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Make a function's package once. Packages for this machine are compiled by the Python that runs this."""
    made: dict[tuple[str, str, str], Path] = {}

    def make(name: str, architecture: str = PROCESSOR, python: str = THIS_PYTHON) -> Path:
        key = (name, architecture, python)
        if key not in made:
            made[key] = tmp_path_factory.mktemp("package") / "artifact"
            build(made[key], *key)
        return made[key]

    return make


@pytest.fixture(scope="session")
def local_aws() -> str:
    """Start the embedded AWS with the tables, the KMS key and the sample events' keys."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in aws.CREDENTIALS.items():
            patch.setenv(name, value)
        url = aws.start_embedded()
        template, clients = load_template(), aws.connect(url)
        aws.create_resources(template, clients)
        aws.admit_test_keys(template, clients)
    return url


def run(folder: Path, function: str, endpoint_url: str, *events: str) -> Any:
    """Run a function from its package, in a process that has nothing else."""
    template = load_template(ElevenLabsUrl=elevenlabs.start())
    variables = {**aws.CREDENTIALS, **template.environment(function), "ENDPOINT_URL": endpoint_url}
    paths = [str(ROOT / "events" / event) for event in events]
    command = [sys.executable, "-I", "-S", "-B", "-c", PROGRAM, str(folder), FUNCTIONS[function]["Handler"], *paths]
    result = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def files(folder: Path) -> dict[str, Path]:
    """Return the files of a package by their names in it."""
    return {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}


def code_of(path: Path) -> CodeType:
    """Read bytecode; check that its header is of this Python and says not to check the source."""
    content = path.read_bytes()
    assert content[:4] == importlib.util.MAGIC_NUMBER
    assert struct.unpack("<I", content[4:8]) == (1,)
    code = loads(content[16:])  # noqa: S302 - this test compiled it
    assert isinstance(code, CodeType)
    return code


def test_the_package_creates_agents_on_its_own(package: Callable[..., Path], local_aws: str) -> None:
    events = ("create_agent.json", "create_agent_11labs_byo.json")
    results = run(package("CreateAgentFunction"), "CreateAgentFunction", local_aws, *events)["results"]

    assert [(result["statusCode"], json.loads(result["body"])["status"]) for result in results] == [
        (201, "ready"),
        (201, "pending"),
    ]


def test_the_package_issues_api_keys_on_its_own(package: Callable[..., Path], local_aws: str) -> None:
    ran = run(package("ManageApiKeysFunction"), "ManageApiKeysFunction", local_aws, "issue_api_key.json")

    assert [result["statusCode"] for result in ran["results"]] == [201]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_modules_are_loaded_from_bytecode_with_lambdas_paths(
    package: Callable[..., Path], local_aws: str, function: str
) -> None:
    folder = package(function)
    modules = [pair for pair in run(folder, function, local_aws)["modules"] if pair[0].endswith(".py")]

    assert len(modules) > 100
    for source, cached in modules:
        assert code_of(Path(cached)).co_filename == source.replace(str(folder), "/var/task")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_everything_is_compiled_without_paths_of_this_machine(package: Callable[..., Path], function: str) -> None:
    found = files(package(function))
    compiled = [path for name, path in found.items() if name.endswith(".pyc")]

    assert len(compiled) == len([name for name in found if name.endswith(".py")])
    assert not [path for path in compiled if str(package(function)).encode() in path.read_bytes()]
    assert not [path for path in compiled if str(ROOT).encode() in path.read_bytes()]


def test_the_package_tries_elevenlabs_keys_on_its_own(
    package: Callable[..., Path], local_aws: str, tmp_path: Path
) -> None:
    run(package("CreateAgentFunction"), "CreateAgentFunction", local_aws, "create_agent_11labs_byo.json")
    events = ("retry_agents.json", "revoke_api_key.json")
    ran = run(package("RetryAgentsFunction"), "RetryAgentsFunction", local_aws, *events)

    assert [result["statusCode"] for result in ran["results"]] == [200, 400]
    (agent_id,) = ran["results"][0]["body"]["agentIds"]
    event = tmp_path / "queue.json"
    detail = {"workspaceId": aws.WORKSPACE_ID, "agentId": agent_id}
    event.write_text(json.dumps(queue_event({"1": json.dumps({"detail": detail})})))
    ran = run(package("ActivateAgentFunction"), "ActivateAgentFunction", local_aws, str(event))

    assert ran["results"] == [{"batchItemFailures": []}]


def test_the_package_handles_the_stream_on_its_own(
    package: Callable[..., Path], local_aws: str, tmp_path: Path
) -> None:
    record = {"eventName": "INSERT", "dynamodb": {"SequenceNumber": "1", "NewImage": {}}}
    event = tmp_path / "stream.json"
    event.write_text(json.dumps({"Records": [record]}))
    ran = run(package("PublishAgentEventsFunction"), "PublishAgentEventsFunction", local_aws, str(event))

    assert ran["results"] == [{"batchItemFailures": [{"itemIdentifier": "1"}]}]


@pytest.mark.parametrize("function", WARMED_UP)
def test_text_is_compiled_by_the_build(
    package: Callable[..., Path], local_aws: str, tmp_path: Path, function: str
) -> None:
    folder = package(function)
    without = shutil.copytree(folder, tmp_path / "package")
    (without / "compiled_text.bin").unlink()
    events = ("create_agent_invalid.json", "create_agent_minimal.json", "get_agent_unknown.json")
    ran, ran_without = (run(place, function, local_aws, *events) for place in (folder, without))

    # What remains is other modules' own, and what a request compiles.
    assert ran["compiled"]["texts"] < ran_without["compiled"]["texts"] / 4
    assert ran["compiled"]["patterns"] < ran_without["compiled"]["patterns"] / 4
    # The same responses, except that agents have ids of their own.
    responses, responses_without = (
        [(result["statusCode"], result["statusCode"] == 201 or result["body"]) for result in of_both["results"]]
        for of_both in (ran, ran_without)
    )
    assert responses == responses_without


def test_a_build_that_cannot_record_text_warns_and_goes_on(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    program = runpy.run_path(str(BUILD / "package.py"))
    program["record_compiled_text"](tmp_path, shutil.which("false"), "cold_start/create_agent.py")

    assert "WARNING: cold_start.create_agent starts more slowly" in capfd.readouterr().out


def test_compiled_text_does_not_depend_on_the_processor(package: Callable[..., Path]) -> None:
    files = {(package("GetAgentFunction", name, THIS_PYTHON) / "compiled_text.bin").read_bytes() for name in TAGS}

    assert len(files) == 1


def test_each_package_has_its_own_handler_only(package: Callable[..., Path]) -> None:
    folder = ROOT / "functions"
    own = {path.relative_to(folder).as_posix() for path in (*folder.glob("*.py"), *folder.glob("cold_start/*.py"))}

    for function in FUNCTIONS:
        module = FUNCTIONS[function]["Handler"].split(".")[-2]
        expected = {f"{module}.py"}
        if function in WARMED_UP:
            expected |= {"cold_start/__init__.py", f"cold_start/{module}.py", "compiled_text.py"}
        assert own & set(files(package(function))) == expected


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_package_has_what_scanners_read_and_no_unused_parts(package: Callable[..., Path], function: str) -> None:
    folder = package(function)

    assert all((distribution / "METADATA").is_file() for distribution in folder.glob("*.dist-info"))
    for absent in ("tests", "bin", "build", "requirements.txt", "pydantic/v1"):
        assert not (folder / absent).exists()


@pytest.mark.parametrize("service", ["dynamodb", "events", "kms"])
def test_the_data_of_what_is_called_is_complete(package: Callable[..., Path], service: str) -> None:
    data = package("CreateAgentFunction") / "botocore" / "data"
    theirs, ours = (json.loads((folder / "endpoints.json").read_bytes())["partitions"] for folder in (DATA, data))

    assert [part["services"].get(service) for part in ours] == [part["services"].get(service) for part in theirs]
    assert [part["regions"] for part in ours] == [part["regions"] for part in theirs]
    assert (data / "partitions.json").read_bytes() == (DATA / "partitions.json").read_bytes()
    version = max((DATA / service).iterdir())
    rules = version.relative_to(DATA) / "endpoint-rule-set-1.json.gz"
    assert (data / rules).read_bytes() == (DATA / rules).read_bytes()
    complete = json.loads(gzip.decompress((version / "service-2.json.gz").read_bytes()))
    text = (data / service / version.name / "service-2.json").read_text("utf-8")
    reduced = json.loads(text)
    for part in ("operations", "shapes"):
        assert reduced[part]
        assert reduced[part] == {name: complete[part][name] for name in reduced[part]}
    assert set(re.findall('"shape": "(.+?)"', text)) == set(reduced["shapes"])
    assert {**reduced, "operations": {}, "shapes": {}} == {**complete, "operations": {}, "shapes": {}}


def test_the_apis_package_is_small(package: Callable[..., Path]) -> None:
    assert sum(path.stat().st_size for path in files(package("CreateAgentFunction")).values()) < MAX_BYTES


@pytest.mark.parametrize("architecture", TAGS)
def test_binaries_are_for_lambdas_python_and_processor(package: Callable[..., Path], architecture: str) -> None:
    tag, machine = TAGS[architecture]
    folder = package("CreateAgentFunction", architecture, LAMBDA_PYTHON)
    binaries = [path for path in folder.rglob("*") if ".so" in path.suffixes]

    assert binaries
    for path in binaries:
        assert path.name.endswith(f".{tag}.so")
        assert struct.unpack("<4s14xH", path.read_bytes()[:20]) == (b"\x7fELF", machine)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_builds_are_reproducible(package: Callable[..., Path], tmp_path: Path, function: str) -> None:
    again = tmp_path / "a longer way to another place"
    build(again, function, PROCESSOR, THIS_PYTHON, PYTHONHASHSEED="7", TZ="Asia/Tokyo")
    one, other = (
        {
            path.relative_to(folder): (path.stat().st_mode, path.stat().st_mtime, path.is_file() and path.read_bytes())
            for path in folder.rglob("*")
        }
        for folder in (package(function), again)
    )

    assert one == other


def test_without_lambdas_python_it_warns_and_works(tmp_path: Path, local_aws: str) -> None:
    name, output, programs = "CreateAgentFunction", tmp_path / "artifact", tmp_path / "bin"
    programs.mkdir()
    for program in ("uv", "python3"):
        (programs / program).symlink_to(shutil.which(program) or program)
    # Neither on PATH nor among uv's own is there a Python of this version: only a version manager's shim for none.
    shim = programs / f"python{THIS_PYTHON}"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    hidden = {"PATH": str(programs), "UV_PYTHON_PREFERENCE": "only-managed", "UV_PYTHON_INSTALL_DIR": str(tmp_path)}
    printed = build(output, name, PROCESSOR, THIS_PYTHON, **hidden)

    assert f"{name} is built WITHOUT BYTECODE" in printed
    assert f"uv python install {THIS_PYTHON}" in printed
    assert not list(output.rglob("*.pyc"))
    assert run(output, name, local_aws, "create_agent.json")["results"][0]["statusCode"] == 201
