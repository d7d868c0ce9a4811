import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Frame } from "playwright-core";
import { appIn } from "./app.js";
import { until, World } from "./world.js";

let world: World;
/** What the worker does with a run that it is given. */
let work: (run: { runId: string; prompt: string }) => Promise<number>;

const path = "/api/workspaces/w/apps/a";

beforeAll(async () => {
  world = await World.start();
  world.site.on("/worker", (body) => work(JSON.parse(body)));
  await Promise.all([
    world.site.app("/new-app.js"),
    world.site.app("/old-app.js", "pages/old-sdk.ts"),
    world.site.page("/host", "host.tsx"),
  ]);
  const agents = [
    {
      id: "counter",
      name: "Counter",
      description: "Counts.",
      systemPrompt: "Count.",
      dataCollections: ["leads"],
    },
  ];
  await world.ask(`${path}/agents`, "PATCH", JSON.stringify({ agents }));
  await world.ask(`${path}/publish`, "POST", "{}");
});
beforeEach(() => world.closeTabs());
afterAll(() => world?.stop());

/** Reports a run's end, as workers do. */
async function report(runId: string, status: string, result: unknown = "done"): Promise<void> {
  await world.ask(
    "/api/internal/agent-run-complete",
    "POST",
    JSON.stringify({ runId, status, result, usage: null, messages: [] }),
  );
}

async function says(app: Frame, which: string, want: string): Promise<void> {
  await until(
    async () => (await app.locator(`#${which}`).textContent())?.trim() === want,
    `${which} says: ${want}`,
  );
}

describe.each(["new", "old"])("the %s app", (which) => {
  test("hears how its run ends, and of no other", async () => {
    let given = "";
    work = async ({ runId }) => ((given = runId), 200);
    const page = await world.tab(`/host?app=/${which}-app.js`);
    const app = await appIn(page);
    await until(async () => (await app.evaluate<unknown[]>("agents")).length === 1, "the agents are listed");
    const runId = await app.evaluate<string>(`agent.trigger("count")`);
    expect(runId).toBe(given);
    await says(app, "agent", "running");
    expect(await page.evaluate("runs")).toEqual([[runId, "counter", "count"]]);
    await report(runId, "completed");
    await says(app, "agent", "completed");
    await app.evaluate(`agent.trigger("again")`);
    await report(given, "failed", { error: "It broke." });
    await says(app, "agent", "failed It broke.");
    await says(app, "other", "idle");
  });

  test("hears the end of a run that ends before its start is answered", async () => {
    work = async ({ runId }) => {
      void report(runId, "completed"); // it is answered when the start is
      return 200;
    };
    const app = await appIn(await world.tab(`/host?app=/${which}-app.js`));
    await app.evaluate(`agent.trigger("at once")`);
    await says(app, "agent", "completed");
  });

  test("hears of a run that cannot be made or started, in the hook that has triggered it", async () => {
    work = async () => 500;
    const app = await appIn(await world.tab(`/host?app=/${which}-app.js`));
    await app.evaluate(`wrong.trigger("x")`);
    await says(app, "wrong", "failed Failed to trigger agent: 404");
    await says(app, "agent", "idle");
    await app.evaluate(`agent.trigger("x")`);
    await says(app, "agent", "failed Failed to start agent: 502");
    await says(app, "other", "idle");
    expect(world.thrown).toEqual([]);
  });
});
