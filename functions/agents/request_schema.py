"""What pydantic-core validates a request with, made from `agents.models` by `tests.request_schema`."""

from typing import Any

from agents import rules

RIME_TTS_MODEL: Any = {
    "type": "typed-dict",
    "fields": {
        "provider": {"type": "typed-dict-field", "schema": {"type": "str"}, "required": True},
        "voiceId": {
            "type": "typed-dict-field",
            "schema": {
                "type": "default",
                "schema": {"type": "str", "min_length": 1, "max_length": 256},
                "default": "mistv2_Wildflower",
            },
            "required": False,
        },
        "language": {
            "type": "typed-dict-field",
            "schema": {
                "type": "default",
                "schema": {
                    "type": "function-after",
                    "function": {"type": "no-info", "function": rules.language_tag},
                    "schema": {"type": "str", "max_length": 128},
                },
                "default": "en",
            },
            "required": False,
        },
        "name": {"type": "typed-dict-field", "schema": {"type": "str"}, "required": False},
        "elevenLabsApiKey": {
            "type": "typed-dict-field",
            "schema": {
                "type": "function-before",
                "function": {"type": "no-info", "function": rules.only_with_byo},
                "schema": {"type": "any"},
            },
            "required": False,
        },
    },
    "extra_behavior": "allow",
    "config": {"strict": True, "extra_fields_behavior": "allow", "hide_input_in_errors": True, "title": "RimeTtsModel"},
}

BYO_TTS_MODEL: Any = {
    "type": "typed-dict",
    "fields": {
        "provider": {"type": "typed-dict-field", "schema": {"type": "str"}, "required": True},
        "voiceId": {
            "type": "typed-dict-field",
            "schema": {"type": "str", "min_length": 1, "max_length": 256},
            "required": True,
        },
        "language": {
            "type": "typed-dict-field",
            "schema": {
                "type": "default",
                "schema": {
                    "type": "function-after",
                    "function": {"type": "no-info", "function": rules.language_tag},
                    "schema": {"type": "str", "max_length": 128},
                },
                "default": "en",
            },
            "required": False,
        },
        "name": {"type": "typed-dict-field", "schema": {"type": "str"}, "required": False},
        "elevenLabsApiKey": {
            "type": "typed-dict-field",
            "schema": {
                "type": "function-after",
                "function": {"type": "no-info", "function": rules.visible_ascii},
                "schema": {"type": "str", "min_length": 1, "max_length": 512},
            },
            "required": True,
        },
    },
    "extra_behavior": "allow",
    "config": {"strict": True, "extra_fields_behavior": "allow", "hide_input_in_errors": True, "title": "ByoTtsModel"},
}

TTS_MODEL: Any = {
    "type": "typed-dict",
    "fields": {
        "provider": {"type": "typed-dict-field", "schema": {"type": "str"}, "required": True},
        "voiceId": {
            "type": "typed-dict-field",
            "schema": {"type": "str", "min_length": 1, "max_length": 256},
            "required": True,
        },
        "language": {
            "type": "typed-dict-field",
            "schema": {
                "type": "default",
                "schema": {
                    "type": "function-after",
                    "function": {"type": "no-info", "function": rules.language_tag},
                    "schema": {"type": "str", "max_length": 128},
                },
                "default": "en",
            },
            "required": False,
        },
        "name": {"type": "typed-dict-field", "schema": {"type": "str"}, "required": False},
        "elevenLabsApiKey": {
            "type": "typed-dict-field",
            "schema": {
                "type": "function-before",
                "function": {"type": "no-info", "function": rules.only_with_byo},
                "schema": {"type": "any"},
            },
            "required": False,
        },
    },
    "extra_behavior": "allow",
    "config": {"strict": True, "extra_fields_behavior": "allow", "hide_input_in_errors": True, "title": "TtsModel"},
}

GAP: Any = {
    "type": "typed-dict",
    "fields": {
        "days": {
            "type": "typed-dict-field",
            "schema": {"type": "default", "schema": {"type": "int", "ge": 0, "le": 30}, "default": 1},
            "required": False,
        },
        "hours": {
            "type": "typed-dict-field",
            "schema": {"type": "default", "schema": {"type": "int", "ge": 0, "le": 23}, "default": 0},
            "required": False,
        },
    },
    "extra_behavior": "allow",
    "config": {"strict": True, "extra_fields_behavior": "allow", "hide_input_in_errors": True, "title": "Gap"},
}

AGENT_SETTINGS: Any = {
    "type": "typed-dict",
    "fields": {
        "speed": {
            "type": "typed-dict-field",
            "schema": {
                "type": "function-before",
                "function": {"type": "no-info", "function": rules.level},
                "schema": {"type": "any"},
            },
            "required": False,
        },
        "volume": {
            "type": "typed-dict-field",
            "schema": {
                "type": "function-before",
                "function": {"type": "no-info", "function": rules.level},
                "schema": {"type": "any"},
            },
            "required": False,
        },
        "temperature": {
            "type": "typed-dict-field",
            "schema": {
                "type": "function-before",
                "function": {"type": "no-info", "function": rules.level},
                "schema": {"type": "any"},
            },
            "required": False,
        },
    },
    "extra_behavior": "allow",
    "config": {
        "strict": True,
        "extra_fields_behavior": "allow",
        "hide_input_in_errors": True,
        "title": "AgentSettings",
    },
}

CREATE_AGENT_REQUEST: Any = {
    "type": "typed-dict",
    "fields": {
        "name": {
            "type": "typed-dict-field",
            "schema": {"type": "str", "min_length": 1, "max_length": 256, "strip_whitespace": True},
            "required": True,
        },
        "type": {
            "type": "typed-dict-field",
            "schema": {"type": "default", "schema": {"type": "literal", "expected": ["voice"]}, "default": "voice"},
            "required": False,
        },
        "ttsModel": {
            "type": "typed-dict-field",
            "schema": {
                "type": "tagged-union",
                "choices": {"rime": RIME_TTS_MODEL, "11labs_byo": BYO_TTS_MODEL, "any other provider": TTS_MODEL},
                "discriminator": rules.tts_variant,
            },
            "required": True,
        },
        "llmModel": {
            "type": "typed-dict-field",
            "schema": {
                "type": "default",
                "schema": {"type": "str", "min_length": 1, "max_length": 256},
                "default": "gpt-4o-mini",
            },
            "required": False,
        },
        "smartCallback": {
            "type": "typed-dict-field",
            "schema": {"type": "default", "schema": {"type": "bool"}, "default": False},
            "required": False,
        },
        "maxAttemptsForSmartCallback": {
            "type": "typed-dict-field",
            "schema": {"type": "default", "schema": {"type": "int", "ge": 1, "le": 100}, "default": 5},
            "required": False,
        },
        "gapBetweenEachAttemptForSmartCallback": {
            "type": "typed-dict-field",
            "schema": {
                "type": "default",
                "schema": {
                    "type": "function-before",
                    "function": {"type": "no-info", "function": rules.at_most_100},
                    "schema": {"type": "list", "items_schema": GAP, "max_length": 100},
                },
                "default_factory": list,
                "default_factory_takes_data": False,
            },
            "required": False,
        },
        "phoneNumberIds": {
            "type": "typed-dict-field",
            "schema": {
                "type": "default",
                "schema": {
                    "type": "function-after",
                    "function": {"type": "no-info", "function": rules.unique},
                    "schema": {
                        "type": "function-before",
                        "function": {"type": "no-info", "function": rules.at_most_100},
                        "schema": {
                            "type": "list",
                            "items_schema": {"type": "str", "min_length": 1, "max_length": 128},
                            "max_length": 100,
                        },
                    },
                },
                "default_factory": list,
                "default_factory_takes_data": False,
            },
            "required": False,
        },
        "settings": {
            "type": "typed-dict-field",
            "schema": {
                "type": "default",
                "schema": AGENT_SETTINGS,
                "default_factory": dict,
                "default_factory_takes_data": False,
            },
            "required": False,
        },
        "variables": {
            "type": "typed-dict-field",
            "schema": {
                "type": "default",
                "schema": {"type": "dict", "keys_schema": {"type": "str"}, "values_schema": {"type": "any"}},
                "default_factory": dict,
                "default_factory_takes_data": False,
            },
            "required": False,
        },
    },
    "extra_behavior": "allow",
    "config": {
        "strict": True,
        "extra_fields_behavior": "allow",
        "hide_input_in_errors": True,
        "title": "CreateAgentRequest",
    },
}
