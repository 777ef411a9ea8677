"""Reads a SAM template with the values of its parameters on standard input, writes CloudFormation: all as JSON.

`tests.support.sam` runs it in the environment of SAM's translator, which pins another pydantic than production.
"""

import json
import sys

from boto3 import Session
from samtranslator.parser.parser import Parser  # type: ignore[import-not-found]  # only its own environment has it
from samtranslator.translator.translator import Translator  # type: ignore[import-not-found]  # the same

given = json.load(sys.stdin)
translator = Translator(None, Parser(), boto_session=Session(region_name=given["region"]))
json.dump(translator.translate(given["template"], given["parameters"]), sys.stdout)
