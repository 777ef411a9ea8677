"""Changes of the translated template that MiniStack needs, each with its reason. Nothing else is changed.

An adaptation that finds nothing to change is an error, so that the list stays short.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

_LOG_GROUPS = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:"

Template = dict[str, Any]
Change = Callable[[Template], list[str]]
"""Changes a template in place; returns what was changed."""


class AdaptationError(Exception):
    """An adaptation is impossible, or found nothing to change."""


@dataclass(frozen=True)
class Adaptation:
    """One change.

    Parameters
    ----------
    what : str
        A description.
    reason : str
        Why MiniStack needs it.
    change : callable
        Makes it.
    """

    what: str
    reason: str
    change: Change


def _resources(template: Template, kind: str) -> dict[str, Any]:
    return {name: of for name, of in template["Resources"].items() if re.fullmatch(kind, of["Type"])}


def _without(kind: str, prop: str = "") -> Change:
    """Remove resources of a type, all or those with a property, and references to them in DependsOn."""

    def change(template: Template) -> list[str]:
        of_kind = _resources(template, kind)
        names = [name for name, of in of_kind.items() if not prop or prop in of.get("Properties", {})]
        for name in names:
            del template["Resources"][name]
        for of in template["Resources"].values():
            _forget(of, names)
        return names

    return change


def _forget(resource: dict[str, Any], names: list[str]) -> None:
    needed = resource.get("DependsOn", [])
    kept = [name for name in ([needed] if isinstance(needed, str) else needed) if name not in names]
    resource.pop("DependsOn", None)
    if kept:
        resource["DependsOn"] = kept


def _without_condition_keys(pattern: str) -> Change:
    """Remove condition keys from policies."""

    def change(template: Template) -> list[str]:
        resources = {**_resources(template, "AWS::IAM::.*"), **_resources(template, "AWS::KMS::Key")}
        return [
            f"{name}.{statement.get('Sid')}"
            for name, of in resources.items()
            for statement in _statements(of["Properties"])
            if _relax(statement, pattern)
        ]

    return change


def _statements(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict) and "Effect" in value:
        yield value
    elif isinstance(value, dict | list):
        for child in value.values() if isinstance(value, dict) else value:
            yield from _statements(child)


def _relax(statement: dict[str, Any], pattern: str) -> bool:
    conditions = statement.get("Condition", {})
    kept = {
        operator: {key: value for key, value in keys.items() if not re.fullmatch(pattern, key)}
        for operator, keys in conditions.items()
    }
    if kept == conditions:
        return False
    if statement["Effect"] == "Deny":
        raise AdaptationError(f"Without its condition, {statement.get('Sid')} would deny everything.")
    statement["Condition"] = {operator: keys for operator, keys in kept.items() if keys}
    return True


def _key_for_alias(template: Template) -> list[str]:
    """Give functions a KMS key's ARN instead of its alias."""
    aliases = [of["Properties"] for of in _resources(template, "AWS::KMS::Alias").values()]
    changed = []
    for name, of in _resources(template, "AWS::Lambda::Function").items():
        variables = of["Properties"].get("Environment", {}).get("Variables", {})
        for variable, value in variables.items():
            for alias in (each for each in aliases if each["AliasName"] == value):
                variables[variable] = _arn_of(alias["TargetKeyId"])
                changed.append(f"{name}.{variable}")
    return changed


def _arn_of(target: Any) -> Any:
    return {"Fn::GetAtt": [target["Ref"], "Arn"]} if isinstance(target, dict) and "Ref" in target else target


def _log_groups_without_star(template: Template) -> list[str]:
    """Name log groups in policies without the ``:*`` for their streams."""
    groups = _resources(template, "AWS::Logs::LogGroup")
    changed = []
    for name, of in _resources(template, "AWS::IAM::.*").items():
        for statement in _statements(of["Properties"]):
            group = _log_group_of(statement.get("Resource"))
            if group in groups:
                statement["Resource"] = {"Fn::Sub": f"{_LOG_GROUPS}${{{group}}}"}
                changed.append(f"{name}.{statement.get('Sid')}")
    return changed


def _log_group_of(resource: Any) -> str | None:
    (named,) = resource.values() if isinstance(resource, dict) and len(resource) == 1 else (None,)
    return named[0] if isinstance(named, list) and named[1:] == ["Arn"] else None


def _any_stream(template: Template) -> list[str]:
    """Replace a table's stream in policies by any stream."""
    changed = []
    for name, of in _resources(template, "AWS::IAM::.*").items():
        for statement in _statements(of["Properties"]):
            if "StreamArn" in str(statement.get("Resource")):
                statement["Resource"] = "*"
                changed.append(f"{name}.{statement.get('Sid')}")
    return changed


_METHODS = {"x-amazon-apigateway-any-method": "ANY"}


def _routes_from_body(template: Template) -> list[str]:
    """Replace an HTTP API's OpenAPI body by integrations and routes."""
    changed = []
    for name, of in _resources(template, "AWS::ApiGatewayV2::Api").items():
        for path, methods in of["Properties"].pop("Body", {}).get("paths", {}).items():
            for method, operation in methods.items():
                key = f"{_METHODS.get(method, method.upper())} {path}"
                logical_id = name + re.sub(r"\W", "", key.title())
                template["Resources"] |= _route(name, logical_id, key, operation)
                changed.append(f"{name}: {key}")
        of["Properties"] |= {"Name": name, "ProtocolType": "HTTP"}
    return changed


def _route(api: str, logical_id: str, key: str, operation: dict[str, Any]) -> dict[str, Any]:
    target = {"Fn::Sub": f"integrations/${{{logical_id}Integration}}"}
    route = {"ApiId": {"Ref": api}, "RouteKey": key, "Target": target}
    return {
        f"{logical_id}Integration": _integration(api, operation["x-amazon-apigateway-integration"]),
        f"{logical_id}Route": {"Type": "AWS::ApiGatewayV2::Route", "Properties": route},
    }


def _integration(api: str, imported: dict[str, Any]) -> dict[str, Any]:
    optional = {"TimeoutInMillis": imported["timeoutInMillis"]} if "timeoutInMillis" in imported else {}
    properties = {
        "ApiId": {"Ref": api},
        "IntegrationType": imported["type"].upper(),
        "IntegrationMethod": imported["httpMethod"],
        "IntegrationUri": imported["uri"],
        "PayloadFormatVersion": imported["payloadFormatVersion"],
        **optional,
    }
    return {"Type": "AWS::ApiGatewayV2::Integration", "Properties": properties}


ADAPTATIONS = (
    Adaptation(
        "the HTTP API's OpenAPI body becomes integrations and routes",
        "its CloudFormation does not import a body",
        _routes_from_body,
    ),
    Adaptation(
        "a function gets the KMS key's ARN for its alias",
        "its policies see the alias, where AWS's see the key that it names",
        _key_for_alias,
    ),
    Adaptation(
        "no condition on an agent's KMS encryption context",
        "it never sets these keys of a request",
        _without_condition_keys("kms:EncryptionContext(Keys|:workspaceId|:agentId)"),
    ),
    Adaptation(
        "a policy names a log group without its streams",
        "a call about a stream is to it a call about the group, whose ARN in a template ends with :*",
        _log_groups_without_star,
    ),
    Adaptation(
        "a policy names any stream in place of the table's",
        "it does not distinguish streams",
        _any_stream,
    ),
    Adaptation(
        "no AWS::CodeDeploy resources",
        "it has no CodeDeploy: the alias moves at once, and no alarm rolls it back",
        _without("AWS::CodeDeploy::.*"),
    ),
    Adaptation(
        "no alarms on metric math",
        "it has no alarms on more than one metric",
        _without("AWS::CloudWatch::Alarm", "Metrics"),
    ),
    Adaptation(
        "no saved queries",
        "it does not know the type",
        _without("AWS::Logs::QueryDefinition"),
    ),
)


def adapt(template: Template, adaptations: tuple[Adaptation, ...] = ADAPTATIONS) -> list[str]:
    """Change a template in place.

    Returns
    -------
    list of str
        A line for each adaptation.

    Raises
    ------
    AdaptationError
        When one cannot be made, or finds nothing to change.
    """
    lines = []
    for adaptation in adaptations:
        changed = adaptation.change(template)
        if not changed:
            raise AdaptationError(f"Nothing needs this adaptation, so delete it: {adaptation.what}")
        lines.append(f"{adaptation.what}; {adaptation.reason}: {', '.join(changed)}")
    return lines
