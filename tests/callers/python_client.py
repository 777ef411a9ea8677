"""Creates an agent and reads it back with the generated Python client: `python_client.py URL API_KEY WORKSPACE_ID`."""

import sys
import time

from create_call_agent_client import AuthenticatedClient
from create_call_agent_client.api.agents import create_agent, get_agent
from create_call_agent_client.models import (
    AgentResponse,
    ByoTtsModel,
    ByoTtsModelProvider,
    CreateAgentRequest,
    Error400,
    RimeTtsModel,
    RimeTtsModelProvider,
)

url, api_key, workspace_id = sys.argv[1:]
client = AuthenticatedClient(url, token=api_key, prefix="", auth_header_name="x-api-key")
own_voice = ByoTtsModel(ByoTtsModelProvider.VALUE_0, voice_id="any", eleven_labs_api_key="any")

agent = create_agent.sync(client=client, x_workspace_id=workspace_id, body=CreateAgentRequest("Sophie", own_voice))
assert isinstance(agent, AgentResponse)
print("created", agent.field_id, agent.status.value)

while agent.status.value == "pending":
    time.sleep(0.1)
    agent = get_agent.sync(agent.field_id, client=client, x_workspace_id=workspace_id)
    assert isinstance(agent, AgentResponse)
print("read", agent.field_id, agent.status.value, agent.tts_model.voice_id)

voice = RimeTtsModel(provider=RimeTtsModelProvider.RIME)
refused = create_agent.sync(client=client, x_workspace_id=workspace_id, body=CreateAgentRequest(" ", voice))
assert isinstance(refused, Error400)
print("refused", refused.error.code.value, refused.error.details[0].path)
