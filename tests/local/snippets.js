// A request as a program that retries 429, 5xx and lost responses with the same Idempotency-Key, and no other 4xx.

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const literal = (text) => JSON.stringify(text); // of Python and of JavaScript

// A creation without an Idempotency-Key gets one.
const lacksKey = (request) => request.get("method") === "POST" && !request.hasIn(["headers", "Idempotency-Key"]);

const headerLines = (request, newKey) => {
  const headers = Object.entries(request.get("headers").toJS());
  const lines = headers.map(([name, value]) => `    ${literal(name)}: ${literal(value)},`);
  if (lacksKey(request)) lines.push(`    "Idempotency-Key": ${newKey}`);
  return lines.join("\n");
};

function curl(request) {
  const headers = request.get("headers").toJS();
  if (lacksKey(request)) headers["Idempotency-Key"] = crypto.randomUUID();
  const parts = [
    `curl -sS ${quoted(request.get("url"))}`,
    "--retry 5 --retry-all-errors --max-time 35", // it waits for Retry-After, and longer each time
    ...Object.entries(headers).map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`),
  ];
  if (request.has("body")) parts.push(`-d ${quoted(request.get("body"))}`);
  return parts.join(" \\\n  ");
}

const python = (request) => `import random
import time
${lacksKey(request) ? "import uuid\n" : ""}
import requests

headers = {
${headerLines(request, "str(uuid.uuid4()),  # the same for every attempt")}
}
${request.has("body") ? `body = r"""${request.get("body")}"""\n` : ""}
for attempt in range(6):
    pause = random.uniform(0, 2**attempt)
    try:
        response = requests.request(
            ${literal(request.get("method"))},
            ${literal(request.get("url"))},
            headers=headers,
${request.has("body") ? "            data=body.encode(),\n" : ""}            timeout=35,
        )
    except requests.RequestException as lost:
        print(lost)
    else:
        print(response.status_code, response.text)
        if response.status_code != 429 and response.status_code < 500:
            break
        pause = float(response.headers.get("Retry-After", pause))
    time.sleep(pause)`;

const javascript = (request) => `const request = {
  method: ${literal(request.get("method"))},
  headers: {
${headerLines(request, "crypto.randomUUID(), // the same for every attempt")}
  },
${request.has("body") ? `  body: JSON.stringify(${request.get("body").replaceAll("\n", "\n  ")}),\n` : ""}};

for (let attempt = 0; attempt < 6; attempt++) {
  let pause = Math.random() * 2 ** attempt;
  try {
    const signal = AbortSignal.timeout(35_000);
    const response = await fetch(${literal(request.get("url"))}, { ...request, signal });
    console.log(response.status, await response.text());
    if (response.status !== 429 && response.status < 500) break;
    pause = response.headers.get("Retry-After") ?? pause;
  } catch (lost) {
    console.log(lost);
  }
  await new Promise((resume) => setTimeout(resume, pause * 1000));
}`;
