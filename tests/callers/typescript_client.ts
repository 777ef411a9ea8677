// Creates an agent with the generated TypeScript client: typescript_client.js URL API_KEY WORKSPACE_ID

import { createAgent } from "./client";
import { client } from "./client/client.gen";

const [baseUrl, apiKey, workspaceId] = process.argv.slice(2);
client.setConfig({ baseUrl, auth: apiKey });

async function main(): Promise<void> {
  const headers = { "x-workspace-id": workspaceId! };

  const created = await createAgent({ headers, body: { name: "Sophie", ttsModel: { provider: "rime" } } });
  const agent = created.data!;
  console.log("created", agent._id, agent.status, agent.ttsModel.voiceId);

  const refused = await createAgent({ headers, body: { name: " ", ttsModel: { provider: "rime" } } });
  const error = refused.error!.error!;
  console.log("refused", error.code, "details" in error ? error.details?.[0]?.path : "");
}

main();
