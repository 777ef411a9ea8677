"""Reads a template with the values of its parameters on standard input, writes CloudFormation: all as JSON.

`tests.support.sam` runs it in the environment of the SAM CLI, which pins another pydantic than production.
"""

import json
import sys
from typing import Any

from boto3 import Session
from samcli.lib.cfn_language_extensions.api import (  # type: ignore[import-not-found]  # only its own environment has it
    create_default_intrinsic_resolver,
)
from samcli.lib.cfn_language_extensions.models import (  # type: ignore[import-not-found]  # the same
    TemplateProcessingContext,
)
from samtranslator.parser.parser import Parser  # type: ignore[import-not-found]  # the same
from samtranslator.translator.translator import Translator  # type: ignore[import-not-found]  # the same


def extended(value: Any, resolver: Any) -> Any:
    """Apply AWS::LanguageExtensions to what this project uses of it; all other references stay for CloudFormation."""
    if isinstance(value, dict):
        if "Fn::ToJsonString" in value:
            return resolver.resolve_value(value)
        return {name: extended(member, resolver) for name, member in value.items()}
    return [extended(element, resolver) for element in value] if isinstance(value, list) else value


given = json.load(sys.stdin)
template, parameters = given["template"], given["parameters"]
defaults = {name: str(of["Default"]) for name, of in template["Parameters"].items()}
resolver = create_default_intrinsic_resolver(TemplateProcessingContext(template, defaults | parameters))
template["Resources"] = extended(template["Resources"], resolver)
translator = Translator(None, Parser(), boto_session=Session(region_name=given["region"]))
json.dump(translator.translate(template, parameters), sys.stdout)
