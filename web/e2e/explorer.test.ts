import axe from "axe-core";
import { chromium, type Browser, type Locator, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, test } from "vitest";
import { Gateway } from "../packages/core/test/gateway.js";
import { until } from "./world.js";

// The explorer that the binary has, as it is committed.
let gateway: Gateway;
let browser: Browser;
let page: Page;
let complaints: string[];
const data = "/api/workspaces/demo/apps/demo/data";

beforeAll(async () => {
  [gateway, browser] = await Promise.all([Gateway.start(), chromium.connect(inject("browser"))]);
  for (const [i, name] of ["Ada", "Grace", "Alan"].entries()) {
    await ask(data, { collection: "leads", docId: name.toLowerCase(), data: { name, score: 10 * i } });
  }
});
beforeEach(async () => {
  page = await browser.newPage();
  page.setDefaultTimeout(60_000);
  complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (m) => {
    if (m.type() === "error" && !m.location().url.endsWith("favicon.ico")) complaints.push(m.text());
  });
});
afterEach(async () => {
  await page.close();
  expect(complaints).toEqual([]);
});
afterAll(async () => {
  await browser?.close();
  await gateway?.stop();
});

async function ask(
  path: string,
  body?: object,
  method = body ? "POST" : "GET",
): Promise<Record<string, unknown>> {
  const init = {
    method,
    headers: { "Content-Type": "application/json" },
    ...(body ? { body: JSON.stringify(body) } : {}),
  };
  const answer = await fetch(`${gateway.url}${path}`, init);
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return JSON.parse(text) as Record<string, unknown>;
}

const patch = (id: string, change: object): Promise<unknown> =>
  ask(`${data}/${id}`, { collection: "leads", data: change }, "PATCH");
const stored = async (id: string): Promise<Record<string, unknown>> =>
  (await ask(`${data}/${id}?collection=leads`))["doc"] as Record<string, unknown>;

async function open(collection = "leads", doc = ""): Promise<void> {
  await page.goto(
    `${gateway.url}/explorer/?workspace=demo&app=demo&version=published&collection=${collection}&doc=${doc}`,
  );
}
const row = (text: string): Locator => page.getByRole("row").filter({ hasText: text });
const json = (): Locator => page.getByRole("textbox", { name: "JSON" });

test("from the entrance to a collection, which is live, sorted, filtered and paused", async () => {
  await page.goto(`${gateway.url}/explorer`);
  await page.getByRole("button", { name: "Open" }).click();
  await page.getByRole("button", { name: /^leads/ }).click();
  await row("Grace").waitFor();
  await page.getByText("live", { exact: true }).waitFor();

  await ask(data, { collection: "leads", docId: "hedy", data: { name: "Hedy", score: 99 } });
  await row("Hedy").waitFor();
  await page
    .getByRole("columnheader", { name: /^score/ })
    .getByRole("button")
    .dblclick();
  await until(
    async () => (await page.getByRole("row").nth(1).textContent())?.includes("Hedy") ?? false,
    "Hedy is first",
  );
  await page.getByLabel("Filter").fill("name:al");
  await until(
    async () => (await page.getByRole("row").count()) === 2,
    "the filter leaves one row beside the head",
  );
  await page.getByLabel("Filter").fill("");

  await page.getByRole("button", { name: "Pause" }).click();
  await patch("hedy", { name: "Hedwig" });
  await page.getByRole("button", { name: "Go on · 1 new" }).click();
  await row("Hedwig").waitFor();
});

test("a document is edited, and no edit of another's is lost", async () => {
  const sent: string[] = [];
  page.on("websocket", (socket) => socket.on("framesent", ({ payload }) => sent.push(String(payload))));
  await open("leads", "ada");
  await json().fill('{"name":"Ada Lovelace","score":1}');
  await page.getByRole("button", { name: "Save" }).click();
  await until(async () => (await stored("ada"))["name"] === "Ada Lovelace", "the edit is stored");

  await json().fill('{"score":1,"name":"Ada, Countess"}');
  await page.getByRole("button", { name: "Save" }).click();
  await until(async () => (await stored("ada"))["name"] === "Ada, Countess", "the next edit is stored too");
  await json().fill('{"name":"mine","score":1}');
  await patch("ada", { score: 2 });
  await page.getByText("Somebody has changed this document").waitFor();
  expect(await page.getByRole("button", { name: "Save" }).isDisabled()).toBe(true);
  await page.getByRole("button", { name: "Take theirs" }).click();
  await until(async () => (await json().inputValue()).includes('"score": 2'), "the editor has the other's");
  expect(await stored("ada")).toMatchObject({ name: "Ada, Countess", score: 2 });

  const updates = sent.filter((frame) => frame.includes('"update"'));
  expect(updates.length).toBe(2);
  for (const frame of updates) expect(frame).toMatch(/"ifRev":"[^"]+"/);

  await json().fill("{");
  await page.getByRole("alert").waitFor();
  expect(await page.getByRole("button", { name: "Save" }).isDisabled()).toBe(true);
});

test("documents are inserted, duplicated and deleted", async () => {
  await open();
  await page.getByRole("button", { name: "New" }).click();
  await json().fill('{"name":"Barbara"}');
  await page.getByRole("button", { name: "Insert" }).click();
  await row("Barbara").waitFor();
  await page.getByRole("button", { name: "Duplicate" }).click();
  await until(async () => (await row("Barbara").count()) === 2, "there are two");
  await page.getByRole("button", { name: "Delete…" }).click();
  await page.getByRole("button", { name: "Delete it" }).click();
  await until(async () => (await row("Barbara").count()) === 1, "there is one");
});

test("what an agent broke is found, and undone", async () => {
  await ask(
    "/api/workspaces/demo/apps/demo/agents",
    { agents: [{ id: "enricher", dataCollections: ["leads"] }] },
    "PATCH",
  );
  await ask("/api/workspaces/demo/apps/demo/publish", {});
  await ask("/api/internal/app-data-write", {
    workspaceId: "demo",
    appId: "demo",
    sourceVersion: "published",
    agentId: "enricher",
    operation: "update",
    collection: "leads",
    filter: { _id: "grace" },
    data: { name: "broken" },
  });
  await open();
  await page.getByRole("button", { name: "Audit trail" }).click();
  await page.getByText("enricher").first().waitFor();
  await page.getByRole("button", { name: "leads / grace" }).first().click();
  await page.getByRole("button", { name: "History" }).click();
  await page.getByRole("button", { name: "Undo" }).first().click();
  await page.getByText("One document is as it was before.").waitFor();
  expect((await stored("grace"))["name"]).toBe("Grace");
  await row("Grace").waitFor();
});

test("two thousand rows are few elements, and the keyboard goes through them", async () => {
  for (let i = 0; i < 20; i++) {
    const lines = Array.from({ length: 100 }, (_, n) => ({ n: 100 * i + n }));
    await Promise.all(lines.map((line) => ask(data, { collection: "many", data: line })));
  }
  await open("many");
  const grid = page.getByRole("grid");
  await until(async () => (await grid.getAttribute("aria-rowcount")) === "2001", "all are there");
  expect(await page.getByRole("row").count()).toBeLessThan(80);
  await grid.focus();
  await page.keyboard.press("End");
  const last = page.locator('[role=row][aria-rowindex="2001"]');
  await last.waitFor();
  const cell = last.getByRole("gridcell").first();
  expect(await grid.getAttribute("aria-activedescendant")).toBe(await cell.getAttribute("id"));
  await page.keyboard.press("Enter");
  await json().waitFor();
});

test("in light and dark, wide and narrow, axe finds nothing", async () => {
  for (const [scheme, width] of [
    ["light", 1280],
    ["dark", 390],
  ] as const) {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
    await page.setViewportSize({ width, height: 800 });
    for (const doc of ["", "ada", "Export, import…", "Compare…"]) {
      await open("leads", doc);
      await row("Alan").waitFor({ state: "attached" });
      if (doc.endsWith("…")) {
        await page.getByRole("button", { name: doc }).click();
        await page.getByRole("complementary").waitFor();
      }
      await page.evaluate(axe.source);
      const found = await page.evaluate(async () =>
        (await (globalThis as unknown as { axe: typeof axe }).axe.run()).violations.map(
          (v) => `${v.id}: ${v.nodes[0]?.html}`,
        ),
      );
      expect(found, `${scheme} ${doc}`).toEqual([]);
    }
  }
});

test("hostile documents stay text", async () => {
  const markup = "<img src=x onerror=document.title=1>";
  const deep = JSON.parse(`${'{"a":'.repeat(60)}1${"}".repeat(60)}`) as object;
  const wide = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`f${i}`, i]));
  await ask(data, {
    collection: "$trail",
    docId: "markup",
    data: { [markup]: markup, bidi: "\u202eabc", long: "x".repeat(500_000) },
  });
  await ask(data, { collection: "$trail", docId: "deep", data: deep });
  await ask(data, { collection: "$trail", docId: "wide", data: wide });
  await open("$trail", "markup"); // a name that a page might have kept for itself
  await row("markup").waitFor();
  expect(await page.locator("img").count()).toBe(0);
  expect(await page.getByRole("columnheader").count()).toBeLessThanOrEqual(42);
  await row("wide").click();
  await until(async () => (await json().inputValue()).includes('"f9999": 9999'), "the widest is shown");
});

test("read-only offers no writes, and off serves nothing", async () => {
  const other = await Gateway.start("--explorer", "readonly");
  await ask(data, { collection: "leads", docId: "x", data: {} });
  await fetch(`${other.url}${data}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ collection: "leads", docId: "ada", data: { name: "Ada" } }),
  });
  await page.goto(`${other.url}/explorer/?workspace=demo&app=demo&collection=leads&doc=ada`);
  await json().waitFor();
  expect(await json().getAttribute("readonly")).not.toBeNull();
  expect(await page.getByRole("button", { name: /Save|Delete|Duplicate|New|Undo/ }).count()).toBe(0);
  await page.goto("about:blank"); // it would complain that the gateway is gone
  await other.stop();
  const off = await Gateway.start("--explorer", "off");
  expect((await fetch(`${off.url}/explorer/`)).status).toBe(404);
  await off.stop();
});
