// A worker that runs agents of secondgate:
//
//   secondgate serve                                  # --worker none is the default: workers claim runs
//   INTERNAL_API_TOKEN=… node worker.mjs http://127.0.0.1:8080
//
// docs/agents.md has the contract. Its agents are simple: each counts the documents of its collections and
// writes the count into a document of each. Put yours into `work`; the prompt and agents.json are in `run`.
import { setTimeout as pause } from "node:timers/promises";

const [gateway, once] = process.argv.slice(2);
const token = process.env.INTERNAL_API_TOKEN;

async function ask(path, body) {
  const answer = await fetch(`${gateway}/api/internal/${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) },
    body: JSON.stringify(body),
    redirect: "error",
    signal: AbortSignal.timeout(15_000),
  });
  if (answer.status === 204) return undefined;
  const reply = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(reply.error), { status: answer.status });
  return reply;
}

// Each run's writes are one change set, since they carry its runId: a person can undo them together.
function dataOf(run) {
  const { runId, workspaceId, appId, sourceVersion } = run;
  const scope = { runId, workspaceId, appId, sourceVersion, agentId: run.agent.id };
  return {
    read: async (collection) => (await ask("app-data-read", { ...scope, collection })).docs,
    upsert: (collection, filter, data) =>
      ask("app-data-write", { ...scope, collection, operation: "upsert", filter, data }),
  };
}

async function work(run) {
  const data = dataOf(run);
  const counts = {};
  for (const collection of run.agent.dataCollections ?? []) {
    const docs = await data.read(collection);
    counts[collection] = docs.filter((doc) => doc.kind !== "summary").length;
    await data.upsert(collection, { kind: "summary" }, { documents: counts[collection], asked: run.prompt });
  }
  return `Counted ${JSON.stringify(counts)}`;
}

// A report that fails is sent again: the gateway takes the first and ignores the others.
async function report(run, status, result) {
  for (const wait of [500, 1_500, 5_000, 15_000, 0]) {
    try {
      return await ask("agent-run-complete", { runId: run.runId, status, result, usage: null, messages: [] });
    } catch (error) {
      console.error(`run ${run.runId}: the report failed: ${error.message}`);
      await pause(wait);
    }
  }
}

for (;;) {
  const run = await ask("agent-run-claim", {}).catch((error) => {
    if (error.status === 401) throw error; // the token is wrong, and stays so
    console.error(`no run could be claimed: ${error.message}`);
  });
  if (!run) {
    await pause(1_000);
    continue;
  }
  console.log(`run ${run.runId}: ${run.agent.id} begins`);
  try {
    await report(run, "completed", await work(run));
  } catch (error) {
    await report(run, "failed", { error: error.message });
  }
  if (once === "--once") break;
}
