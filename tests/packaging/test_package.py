"""What is deployed works alone, is compiled, and holds what is needed: `python -m pytest --no-cov tests/packaging`.

It needs uv on PATH and downloads wheels. A Python of Lambda's version is needed for none of it.
"""

import gzip
import importlib.util
import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from marshal import loads
from pathlib import Path
from types import CodeType
from typing import Any

import botocore.loaders
import pytest
from botocore.endpoint_provider import EndpointProvider

from tests.local import aws, elevenlabs
from tests.support.template import ROOT, load_template
from tests.support.venvs import PROCESSOR

if sys.platform != "linux":
    pytest.skip("packages hold Linux's binaries", allow_module_level=True)

BUILD = ROOT / "functions" / "build"
FUNCTIONS = load_template().resources("AWS::Serverless::Function")
THIS_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
LAMBDAS = load_template().content["Globals"]["Function"]["Runtime"].removeprefix("python")
TAGS = {
    "arm64": (f"cpython-{LAMBDAS.replace('.', '')}-aarch64-linux-gnu", 183),
    "x86_64": (f"cpython-{LAMBDAS.replace('.', '')}-x86_64-linux-gnu", 62),
}
"""By Lambda's name of a processor: Python's name of its binaries, and the number of the machine in an ELF header."""

MAX_BYTES = 22_000_000
DATA = Path(botocore.__file__).parent / "data"

# -S: no site-packages; -I: no variables and no current directory. What is imported comes from the package or Python.
PROGRAM = """
import importlib, json, sys
from types import SimpleNamespace
folder, name, *events = sys.argv[1:]
sys.path.insert(0, folder)
module, _, function = name.partition(".")
handler = getattr(importlib.import_module(module), function)
context = SimpleNamespace(aws_request_id="request-1", get_remaining_time_in_millis=lambda: 28_000)
answers = [handler(json.load(open(event)), context) for event in events]
files = [(getattr(module, "__file__", None), getattr(module, "__cached__", None)) for module in sys.modules.values()]
print(json.dumps({"answers": answers, "modules": [pair for pair in files if pair[0] and pair[0].startswith(folder)]}))
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
    """Make a function's package once; those for this machine are compiled, for a Python of theirs is running."""
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
    """Start the embedded AWS, with the tables, the key and the sample events' keys."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in aws.CREDENTIALS.items():
            patch.setenv(name, value)
        url = aws.start_embedded()
        template, clients = load_template(EndpointUrl=url), aws.connect(url)
        aws.create_resources(template, clients)
        aws.admit_test_keys(template, clients)
    return url


def start(folder: Path, function: str, endpoint_url: str, *events: str) -> Any:
    """Start a function from its package, in a process of its own that has nothing else."""
    template = load_template(EndpointUrl=endpoint_url, ElevenLabsUrl=elevenlabs.start())
    variables = {**aws.CREDENTIALS, **template.environment(function)}
    paths = [str(ROOT / "events" / event) for event in events]
    command = [sys.executable, "-I", "-S", "-B", "-c", PROGRAM, str(folder), FUNCTIONS[function]["Handler"], *paths]
    result = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def files(folder: Path) -> dict[str, Path]:
    """List the files of a package by their names in it."""
    return {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}


def code_of(path: Path) -> CodeType:
    """Read bytecode, its header included: of this Python, and loaded without a look at the source."""
    content = path.read_bytes()
    assert content[:4] == importlib.util.MAGIC_NUMBER
    assert struct.unpack("<I", content[4:8]) == (1,)
    code = loads(content[16:])  # noqa: S302 - the test has had it compiled
    assert isinstance(code, CodeType)
    return code


def test_an_agent_is_created_and_a_secret_sealed_with_nothing_but_the_package(
    package: Callable[..., Path], local_aws: str
) -> None:
    events = ("create_agent.json", "create_agent_11labs_byo.json")
    answers = start(package("CreateAgentFunction"), "CreateAgentFunction", local_aws, *events)["answers"]

    assert [(answer["statusCode"], json.loads(answer["body"])["status"]) for answer in answers] == [
        (201, "ready"),
        (201, "pending"),
    ]


def test_a_key_is_issued_with_nothing_but_the_package(package: Callable[..., Path], local_aws: str) -> None:
    started = start(package("ManageApiKeysFunction"), "ManageApiKeysFunction", local_aws, "issue_api_key.json")

    assert [answer["statusCode"] for answer in started["answers"]] == [201]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_module_comes_from_bytecode_that_knows_its_place_in_lambda(
    package: Callable[..., Path], local_aws: str, function: str
) -> None:
    folder = package(function)
    modules = [pair for pair in start(folder, function, local_aws)["modules"] if pair[0].endswith(".py")]

    assert len(modules) > 100
    for source, cached in modules:
        assert code_of(Path(cached)).co_filename == source.replace(str(folder), "/var/task")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_bytecode_is_whole_and_names_no_place_of_the_machine_that_built_it(
    package: Callable[..., Path], function: str
) -> None:
    there = files(package(function))
    compiled = [path for name, path in there.items() if name.endswith(".pyc")]

    assert len(compiled) == len([name for name in there if name.endswith(".py")])
    assert not [path for path in compiled if str(package(function)).encode() in path.read_bytes()]
    assert not [path for path in compiled if str(ROOT).encode() in path.read_bytes()]


def test_a_key_is_tried_with_nothing_but_the_package(package: Callable[..., Path], local_aws: str) -> None:
    start(package("CreateAgentFunction"), "CreateAgentFunction", local_aws, "create_agent_11labs_byo.json")
    events = ("reactivate_agent.json", "reactivate_agent.json", "revoke_api_key.json")
    started = start(package("ReactivateAgentFunction"), "ReactivateAgentFunction", local_aws, *events)

    assert [answer["statusCode"] for answer in started["answers"]] == [200, 409, 400]


def test_the_stream_is_handled_with_nothing_but_the_package(
    package: Callable[..., Path], local_aws: str, tmp_path: Path
) -> None:
    record = {"eventName": "INSERT", "dynamodb": {"SequenceNumber": "1", "NewImage": {}}}
    event = tmp_path / "stream.json"
    event.write_text(json.dumps({"Records": [record]}))
    started = start(package("ActivateAgentFunction"), "ActivateAgentFunction", local_aws, str(event))

    assert started["answers"] == [{"batchItemFailures": [{"itemIdentifier": "1"}]}]


def test_each_package_holds_its_function_and_no_other(package: Callable[..., Path]) -> None:
    api, keys, stream, again = map(package, FUNCTIONS)
    own = {path.name for path in (ROOT / "functions").glob("*.py")}
    shared = {"deployment.py", "telemetry.py"}

    assert own & set(files(api)) == shared | {"cold_start.py", "create_agent.py", "deadline.py", "http_api.py"}
    assert own & set(files(keys)) == shared | {"manage_api_keys.py"}
    assert own & set(files(stream)) == shared | {"activate_agent.py", "deadline.py"}
    assert own & set(files(again)) == shared | {"activate_agent.py", "deadline.py", "reactivate_agent.py"}
    assert not (api / "pydantic").exists()
    assert (keys / "pydantic" / "__init__.py").exists()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_package_holds_what_scanners_read_and_nothing_that_nobody_reads(
    package: Callable[..., Path], function: str
) -> None:
    folder = package(function)
    distributions = list(folder.glob("*.dist-info"))

    assert len(distributions) >= 8
    assert all((distribution / "METADATA").is_file() for distribution in distributions)
    assert (folder / "amazon_roots.pem").read_bytes() == (ROOT / "functions" / "amazon_roots.pem").read_bytes()
    for absent in ("agents/models.py", "boto3", "s3transfer", "tests", "bin", "build", "requirements.txt"):
        assert not (folder / absent).exists()
    for pattern in ("Makefile", "*.mk", "*.pyi", "py.typed", "RECORD", "models.*.pyc"):
        assert not [path for path in folder.rglob(pattern) if pattern != "models.*.pyc" or path.parts[-3] == "agents"]


def texts(value: Any) -> list[str]:
    """List all documentation in a service's model."""
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    own = [value[name] for name in ("documentation", "documentationUrl") if isinstance(value, dict) and name in value]
    return [text for text in own if isinstance(text, str)] + [text for child in children for text in texts(child)]


@pytest.mark.parametrize("service", ["dynamodb", "kms"])
def test_a_services_model_says_all_but_its_documentation(package: Callable[..., Path], service: str) -> None:
    data = package("CreateAgentFunction") / "botocore" / "data"
    (whole,) = (DATA / service).glob("*/service-2.json.gz")
    (cut,) = (data / service).glob("*/service-2.json")
    theirs, ours = json.loads(gzip.decompress(whole.read_bytes())), json.loads(cut.read_bytes())

    assert {path.name for path in data.iterdir() if path.is_dir()} == {"dynamodb", "kms"}
    assert texts(theirs)
    assert texts(ours) == []
    assert ours["operations"].keys() == theirs["operations"].keys()
    assert {name: set(shape.get("members", ())) for name, shape in ours["shapes"].items()} == {
        name: set(shape.get("members", ())) for name, shape in theirs["shapes"].items()
    }
    assert ours["metadata"] == theirs["metadata"]


ENDPOINTS = """
import json, os, sys
folder, service, *regions = sys.argv[1:]
sys.path.insert(0, folder)
from deployment import Environment
urls = {}
for os.environ["AWS_DEFAULT_REGION"] in regions:
    urls[os.environ["AWS_DEFAULT_REGION"]] = getattr(Environment({}), service)().meta.endpoint_url
print(json.dumps(urls))
"""


@pytest.mark.parametrize("service", ["dynamodb", "kms"])
def test_every_region_of_our_services_has_the_endpoint_that_the_rules_give(
    package: Callable[..., Path], service: str
) -> None:
    folder = package("CreateAgentFunction")
    partitions = json.loads((DATA / "partitions.json").read_bytes())
    loader = botocore.loaders.create_loader()
    rules = EndpointProvider(loader.load_service_model(service, "endpoint-rule-set-1"), partitions)
    regions = [name for part in partitions["partitions"] for name in part["regions"] if not name.endswith("-global")]
    command = [sys.executable, "-I", "-S", "-B", "-c", ENDPOINTS, str(folder), service, *regions]
    printed = subprocess.run(command, env=aws.CREDENTIALS, stdout=subprocess.PIPE, text=True, check=True).stdout

    assert not list(folder.rglob("endpoint-rule-set-1*"))
    assert json.loads(printed) == {
        region: rules.resolve_endpoint(Region=region, UseDualStack=False, UseFIPS=False).url for region in regions
    }


@pytest.mark.parametrize("service", ["dynamodb", "kms"])
def test_the_list_of_regions_is_whole(package: Callable[..., Path], service: str) -> None:
    data = package("CreateAgentFunction") / "botocore" / "data"
    theirs, ours = (json.loads((folder / "endpoints.json").read_bytes())["partitions"] for folder in (DATA, data))

    assert [part["services"].get(service) for part in ours] == [part["services"].get(service) for part in theirs]
    assert [part["regions"] for part in ours] == [part["regions"] for part in theirs]
    assert (data / "partitions.json").read_bytes() == (DATA / "partitions.json").read_bytes()


def test_the_apis_package_is_small(package: Callable[..., Path]) -> None:
    assert sum(path.stat().st_size for path in files(package("CreateAgentFunction")).values()) < MAX_BYTES


@pytest.mark.parametrize("architecture", TAGS)
def test_every_binary_is_for_lambdas_python_and_the_processor(package: Callable[..., Path], architecture: str) -> None:
    tag, machine = TAGS[architecture]
    folder = package("CreateAgentFunction", architecture, LAMBDAS)
    binaries = [path for path in folder.rglob("*") if ".so" in path.suffixes]

    assert binaries
    for path in binaries:
        assert path.name.endswith(f".{tag}.so")
        assert struct.unpack("<4s14xH", path.read_bytes()[:20]) == (b"\x7fELF", machine)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_same_inputs_make_the_same_bytes(package: Callable[..., Path], tmp_path: Path, function: str) -> None:
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


def test_without_a_python_of_the_version_it_says_what_is_lost_and_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], local_aws: str
) -> None:
    specification = importlib.util.spec_from_file_location("package", BUILD / "package.py")
    assert specification is not None
    assert specification.loader is not None
    program = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(program)
    monkeypatch.setattr(program, "find", lambda _: None)
    name, output = "CreateAgentFunction", tmp_path / "artifact"
    options = [name, "--architecture", PROCESSOR, "--python", THIS_PYTHON, "--output", str(output)]
    monkeypatch.setattr(sys, "argv", ["package.py", *options])
    program.main()
    printed = capsys.readouterr().out

    assert f"{name} is built WITHOUT BYTECODE" in printed
    assert f"uv python install {THIS_PYTHON}" in printed
    assert not list(output.rglob("*.pyc"))
    assert start(output, name, local_aws, "create_agent.json")["answers"][0]["statusCode"] == 201
