"""Every event is read as a request, and responses have the gateway's format."""

import base64
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from call_agents.shared.errors import (
    InvalidJson,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    UnsupportedMediaType,
)
from call_agents.shared.http import MAX_BODY_BYTES, Request, gateway_response, read_request
from call_agents.shared.invocation import Response

CONTEXT = SimpleNamespace(aws_request_id="lambda-1")


def request(**members: object) -> Request:
    request_context = {"requestId": "gateway-1", "http": {"method": "POST"}}
    return read_request({"rawPath": "/v1/api/agents", "requestContext": request_context, **members}, CONTEXT)


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
        read.check_method("POST")


@pytest.mark.parametrize(
    ("path", "stage", "read"),
    [
        ("/v1/api/agents", "$default", "/v1/api/agents"),
        ("/prod/v1/api/agents/1", "prod", "/v1/api/agents/1"),
        ("/v1/v1/api/agents", "v1", "/v1/api/agents"),
        ("/v1/api/agents", "v1", "/v1/api/agents"),
        ("/test/v1/api/agents", "prod", "/test/v1/api/agents"),
        ("/prod/prod/v1/api/agents", "prod", "/prod/prod/v1/api/agents"),
        ("//v1/api/agents", "", "//v1/api/agents"),
    ],
)
def test_only_the_events_own_stage_may_precede_the_path(path: str, stage: str, read: str) -> None:
    assert request(rawPath=path, requestContext={"stage": stage}).path == read


@pytest.mark.parametrize("method", ["GET", "post", "TRACE"])
def test_any_other_method_is_not_allowed(method: str) -> None:
    with pytest.raises(MethodNotAllowed) as caught:
        request(requestContext={"http": {"method": method}}).check_method("POST", "PUT")

    assert caught.value.headers == {"Allow": "POST, PUT"}


def test_header_names_are_case_insensitive_and_values_trimmed() -> None:
    read = request(headers={"X-Api-Key": " \tk ", "odd": None, "number": 5, "A": "1", "a": " 2"})

    assert read.headers == {"x-api-key": "k", "odd": "", "number": "", "a": "1,2"}


@pytest.mark.parametrize(
    ("gateway_id", "used"),
    [
        ("JKJaXmPLvHcESHA=", "JKJaXmPLvHcESHA="),
        ("r" * 128, "r" * 128),
        ("r" * 129, "lambda-1"),
        ("a\r\nSet-Cookie: x", "lambda-1"),
        ("", "lambda-1"),
        (5, "lambda-1"),
    ],
)
def test_request_id_is_the_gateways_when_valid(gateway_id: object, used: str) -> None:
    assert request(requestContext={"requestId": gateway_id}).id == used
    assert read_request({}, None).id == ""


@pytest.mark.parametrize(
    ("media_type", "accepted"),
    [
        (None, True),
        ("APPLICATION/JSON;x", True),
        ("application/jsonp", False),
        (";application/json", False),
    ],
)
def test_only_json_or_no_media_type_is_accepted(media_type: str | None, accepted: bool) -> None:  # noqa: FBT001 - a case
    read = request(headers={} if media_type is None else {"Content-Type": media_type})
    if accepted:
        read.check_media_type()
    else:
        with pytest.raises(UnsupportedMediaType):
            read.check_media_type()


@pytest.mark.parametrize(
    ("prefer", "strict"),
    [
        ("handling=strict", True),
        ('respond-async, Handling = "Strict"; x=y', True),
        ("handling=lenient", False),
        ("handling=lenient, handling=strict", False),
        ("strict", False),
        ("x=strict", False),
        ("", False),
    ],
)
def test_strict_handling_is_read_as_rfc_7240_says(prefer: str, strict: bool) -> None:  # noqa: FBT001 - a case
    assert request(headers={"prefer": prefer}).prefers_strict() is strict


@pytest.mark.parametrize("members", [{"body": "{é}"}, {"body": "{é}", "isBase64Encoded": None}, encoded(b"{\xc3\xa9}")])
def test_body_is_text_with_and_without_base64(members: dict[str, Any]) -> None:
    assert request(**members).text() == "{é}"


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({}, "There is no body."),
        ({"body": ""}, "There is no body."),
        ({"body": {"name": "A"}}, "There is no body."),
        ({"body": "\ud800"}, "The body is not UTF-8 text."),
        ({"body": "!!!", "isBase64Encoded": True}, "The body is not UTF-8 text."),
        ({"body": "eyJ-_", "isBase64Encoded": True}, "The body is not UTF-8 text."),
        ({"body": "é", "isBase64Encoded": True}, "The body is not UTF-8 text."),
        (encoded(b"\xff\xfe{\x00}\x00"), "The body is not UTF-8 text."),
        (encoded(b"\xed\xa0\x80"), "The body is not UTF-8 text."),
    ],
)
def test_a_body_that_is_not_utf_8_is_invalid(members: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidJson) as caught:
        request(**members).text()

    assert caught.value.public.startswith(problem)
    # A UnicodeDecodeError holds the body.
    assert caught.value.__context__ is None


@pytest.mark.parametrize("members", [lambda raw: {"body": raw.decode()}, encoded])
def test_a_body_may_have_256_kib_of_bytes(members: Any) -> None:
    largest = "é".encode() * (MAX_BODY_BYTES // 2)

    assert len(request(**members(largest)).text().encode()) == 262_144
    with pytest.raises(PayloadTooLarge):
        request(**members(largest + b"x")).text()


def test_a_body_certainly_too_large_is_not_decoded() -> None:
    with pytest.raises(PayloadTooLarge):
        request(body="!" * 1_000_000, isBase64Encoded=True).text()


def test_response_has_the_gateways_format() -> None:
    body = {"name": "é", "level": Decimal("0.8")}

    assert gateway_response(Response(201, body, {"Location": "/x"}), "request-1") == {
        "statusCode": 201,
        "headers": {
            "Content-Type": "application/json",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "X-Request-Id": "request-1",
            "Location": "/x",
        },
        "body": '{"name":"é","level":0.8}',
        "isBase64Encoded": False,
    }
