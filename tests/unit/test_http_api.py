"""Whatever the event, there is a request; whatever the answer, the gateway can take it."""

import base64
from types import SimpleNamespace
from typing import Any

import pytest

from agents.errors import InvalidJson, MethodNotAllowed, NotFound, PayloadTooLarge, UnsupportedMediaType
from http_api import MAX_BODY_BYTES, Request, answer, read_request

CONTEXT = SimpleNamespace(aws_request_id="lambda-1")


def request(**members: object) -> Request:
    about = {"requestId": "gateway-1", "http": {"method": "POST"}}
    return read_request({"rawPath": "/v1/api/agents", "requestContext": about, **members}, CONTEXT)


def encoded(raw: bytes) -> dict[str, Any]:
    return {"body": base64.b64encode(raw).decode(), "isBase64Encoded": True}


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "text",
        {},
        {"requestContext": None, "headers": None, "body": None, "rawPath": None},
        {"requestContext": {"http": []}, "headers": [], "rawPath": 5},
        {"version": "0", "source": "aws.events", "detail-type": "Scheduled Event"},
    ],
)
def test_any_event_is_a_request_without_a_route(event: object) -> None:
    read = read_request(event, CONTEXT)

    assert read == Request("", "", {}, None, is_base64=False, id="lambda-1")
    with pytest.raises(NotFound):
        read.check_route("POST", "/v1/api/agents")


@pytest.mark.parametrize("path", ["/v1/api/agents", "/prod/v1/api/agents"])
def test_a_stage_may_stand_before_the_path(path: str) -> None:
    request(rawPath=path).check_route("POST", "/v1/api/agents")


@pytest.mark.parametrize("path", ["/nope", "/v1/api/agents/", "/v1/api/agents/1", ""])
def test_any_other_path_is_not_found(path: str) -> None:
    with pytest.raises(NotFound):
        request(rawPath=path).check_route("POST", "/v1/api/agents")


@pytest.mark.parametrize("method", ["GET", "post", "TRACE", ""])
def test_any_other_method_is_not_allowed(method: str) -> None:
    with pytest.raises(MethodNotAllowed):
        request(requestContext={"http": {"method": method}}).check_route("POST", "/v1/api/agents")


def test_header_names_are_told_apart_by_nothing_but_their_letters() -> None:
    read = request(headers={"X-Api-Key": " \tk ", "odd": None, "number": 5})

    assert read.headers == {"x-api-key": "k", "odd": "", "number": ""}


@pytest.mark.parametrize(
    ("gateway_id", "shown"),
    [("JKJaXmPLvHcESHA=", "JKJaXmPLvHcESHA="), ("a\r\nSet-Cookie: x", "lambda-1"), ("", "lambda-1"), (5, "lambda-1")],
)
def test_the_gateways_id_is_taken_when_it_is_one(gateway_id: object, shown: str) -> None:
    assert request(requestContext={"requestId": gateway_id}).id == shown


def test_without_any_id_there_is_an_answer_all_the_same() -> None:
    assert read_request({}, None).id == ""


@pytest.mark.parametrize(
    "media_type", [None, "", "application/json", "APPLICATION/JSON", "application/json; charset=utf-8;x"]
)
def test_json_of_any_case_and_with_any_parameters_is_accepted(media_type: str | None) -> None:
    request(headers={} if media_type is None else {"Content-Type": media_type}).check_media_type()


@pytest.mark.parametrize(
    "media_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/vnd.api+json",
        "application/json,x/y",
        ";",
        "x",
    ],
)
def test_any_other_type_is_unsupported(media_type: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        request(headers={"content-type": media_type}).check_media_type()


@pytest.mark.parametrize(
    ("prefer", "strict"),
    [
        ("handling=strict", True),
        ('respond-async, Handling = "Strict"; x=y', True),
        ("handling=lenient", False),
        ("handling=lenient, handling=strict", False),
        ("strict", False),
        ("", False),
    ],
)
def test_strict_handling_is_preferred_as_the_rfc_writes_it(prefer: str, strict: bool) -> None:  # noqa: FBT001
    assert request(headers={"prefer": prefer}).prefers_strict() is strict


@pytest.mark.parametrize("members", [{"body": "{é}"}, {"body": "{é}", "isBase64Encoded": None}, encoded(b"{\xc3\xa9}")])
def test_the_body_is_text_however_it_came(members: dict[str, Any]) -> None:
    assert request(**members).text() == "{é}"


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"body": None},
        {"body": ""},
        {"body": {"name": "A"}},
        {"body": "\ud800"},
        {"body": "!!!", "isBase64Encoded": True},
        {"body": "eyJ-_", "isBase64Encoded": True},
        {"body": "é", "isBase64Encoded": True},
        encoded(b"\xff\xfe{\x00}\x00"),
        encoded(b"\xed\xa0\x80"),
    ],
)
def test_a_body_that_is_no_text_is_no_json(members: dict[str, Any]) -> None:
    with pytest.raises(InvalidJson) as caught:
        request(**members).text()
    is_text = isinstance(members.get("body"), str) and members["body"]
    assert caught.value.public.startswith("The body is not UTF-8 text." if is_text else "There is no body.")


@pytest.mark.parametrize("members", [lambda raw: {"body": raw.decode()}, encoded])
def test_a_body_may_have_256_kib_and_not_a_byte_more(members: Any) -> None:
    largest = b"x" * MAX_BODY_BYTES

    assert len(request(**members(largest)).text()) == 262_144
    with pytest.raises(PayloadTooLarge):
        request(**members(largest + b"x")).text()


def test_bytes_count_and_not_characters() -> None:
    with pytest.raises(PayloadTooLarge):
        request(body="é" * (MAX_BODY_BYTES // 2 + 1)).text()


def test_what_is_certainly_too_large_is_not_even_decoded() -> None:
    with pytest.raises(PayloadTooLarge):
        request(body="!" * 1_000_000, isBase64Encoded=True).text()


def test_an_answer_is_what_the_gateway_takes() -> None:
    assert answer(201, {"name": "é"}, "request-1", {"Location": "/x"}) == {
        "statusCode": 201,
        "headers": {
            "Content-Type": "application/json",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "X-Request-Id": "request-1",
            "Location": "/x",
        },
        "body": '{"name":"é"}',
        "isBase64Encoded": False,
    }
