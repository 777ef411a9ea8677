"""Creates an agent with the generated Python client: `python_client.py URL API_KEY WORKSPACE_ID`."""

import sys

from create_call_agent_client import AuthenticatedClient
from create_call_agent_client.api.agents import create_agent
from create_call_agent_client.models import (
    AgentResponse,
    CreateAgentRequest,
    Error400,
    RimeTtsModel,
    RimeTtsModelProvider,
)

url, api_key, workspace_id = sys.argv[1:]
client = AuthenticatedClient(url, token=api_key, prefix="", auth_header_name="x-api-key")
voice = RimeTtsModel(provider=RimeTtsModelProvider.RIME)

agent = create_agent.sync(client=client, x_workspace_id=workspace_id, body=CreateAgentRequest("Sophie", voice))
assert isinstance(agent, AgentResponse)
print("created", agent.field_id, agent.status.value, agent.tts_model.voice_id)

refused = create_agent.sync(client=client, x_workspace_id=workspace_id, body=CreateAgentRequest(" ", voice))
assert isinstance(refused, Error400)
print("refused", refused.error.code.value, refused.error.details[0].path)
