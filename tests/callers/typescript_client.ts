// Creates an agent and reads it back with the generated TypeScript client: typescript_client.js URL API_KEY WORKSPACE_ID

import { createAgent, getAgent } from "./client";
import { client } from "./client/client.gen";

const [baseUrl, apiKey, workspaceId] = process.argv.slice(2);
client.setConfig({ baseUrl, auth: apiKey });

async function main(): Promise<void> {
  const headers = { "x-workspace-id": workspaceId! };

  const ttsModel = { provider: "11labs_byo", voiceId: "any", elevenLabsApiKey: "any" } as const;
  const created = await createAgent({ headers, body: { name: "Sophie", ttsModel } });
  let agent = created.data!;
  console.log("created", agent._id, agent.status);

  while (agent.status === "pending") {
    await new Promise((resolve) => setTimeout(resolve, 100));
    agent = (await getAgent({ headers, path: { agentId: agent._id } })).data!;
  }
  console.log("read", agent._id, agent.status, agent.ttsModel.voiceId);

  const refused = await createAgent({ headers, body: { name: " ", ttsModel: { provider: "rime" } } });
  const error = refused.error!.error!;
  console.log("refused", error.code, "details" in error ? error.details?.[0]?.path : "");
}

main();
