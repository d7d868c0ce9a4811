import { text } from "node:stream/consumers";
import { chromium, type Browser, type Locator, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from "vitest";
import { databases, startDatabase, type Database } from "./database.js";
import { Gateway } from "../packages/core/test/gateway.js";
import { until } from "./world.js";

// The explorer shows and edits data on each database while others write.
describe.each(databases)("on %s", (kind) => {
  let database: Database;
  let gateway: Gateway;
  let browser: Browser;
  let page: Page;
  let complaints: string[];
  const app = "/api/workspaces/w/apps/a";

  beforeAll(async () => {
    database = await startDatabase(kind);
    [gateway, browser] = await Promise.all([
      Gateway.start(...database.flags),
      chromium.connect(inject("browser")),
    ]);
  });
  beforeEach(async () => {
    for (const { _id } of await gateway.list("leads"))
      await ask(`/data/${String(_id)}?collection=leads`, undefined, "DELETE");
    for (const [i, name] of ["Ada", "Grace", "Alan"].entries()) {
      await ask("/data", { collection: "leads", docId: name.toLowerCase(), data: { name, score: 10 * i } });
    }
    page = await browser.newPage();
    page.setDefaultTimeout(60_000);
    complaints = [];
    page.on("pageerror", (error) => complaints.push(String(error)));
    await page.goto(`${gateway.url}/explorer/?workspace=w&app=a&version=published&collection=leads`);
    await page.getByText("live", { exact: true }).waitFor();
  });
  afterEach(async () => {
    await page.close();
    expect(complaints).toEqual([]);
  });
  afterAll(async () => {
    await browser?.close();
    await gateway?.stop();
    await database?.stop();
  });

  async function ask(
    path: string,
    body?: object,
    method = body ? "POST" : "GET",
    under = app,
  ): Promise<void> {
    const headers = { "Content-Type": "application/json" };
    const init = { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) };
    const answer = await fetch(`${gateway.url}${under}${path}`, init);
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  }

  const stored = async (id: string): Promise<Record<string, unknown> | undefined> =>
    (await gateway.list("leads")).find((doc) => doc["_id"] === id);
  const row = (text: string): Locator => page.getByRole("row").filter({ hasText: text });
  const cell = (of: string, name: string): Locator => row(of).getByRole("gridcell", { name, exact: true });

  test("a change says who made it: a person, an agent, another program", async () => {
    await ask("/agents", { agents: [{ id: "enricher", dataCollections: ["leads"] }] }, "PATCH");
    await ask("/publish", {});
    await ask("/data/ada", { collection: "leads", data: { name: "Ada L." } }, "PATCH");
    await row("Ada L.").getByText("person", { exact: true }).waitFor();
    await ask(
      "/app-data-write",
      {
        workspaceId: "w",
        appId: "a",
        sourceVersion: "published",
        agentId: "enricher",
        operation: "update",
        collection: "leads",
        filter: { _id: "grace" },
        data: { name: "Grace H." },
      },
      "POST",
      "/api/internal",
    );
    await row("Grace H.").getByText("agent", { exact: true }).waitFor();
    await database.insert(["Hedy"]);
    await row("Hedy").getByText("outside", { exact: true }).waitFor();
  });

  test("a cell is edited by mouse or keys, and the edit is taken back", async () => {
    await cell("ada", "Ada").dblclick();
    await page.getByRole("textbox", { name: "name, edited" }).fill("Ada Lovelace");
    await page.keyboard.press("Enter");
    await until(async () => (await stored("ada"))?.["name"] === "Ada Lovelace", "the edit is stored");
    await page.getByRole("button", { name: "Undo" }).click();
    await page.getByText("Undone").waitFor();
    expect(await stored("ada")).toMatchObject({ name: "Ada", score: 0 });

    await cell("grace", "10").click(); // and opens the document
    await page.getByRole("button", { name: "Close" }).click();
    await page.getByRole("grid").focus();
    await page.keyboard.press("F2");
    const score = page.getByRole("textbox", { name: "score, edited" });
    await score.fill("1x");
    await page.keyboard.press("Enter");
    expect(await score.getAttribute("aria-invalid")).toBe("true");
    await score.fill("11");
    await page.keyboard.press("Enter");
    await until(async () => (await stored("grace"))?.["score"] === 11, "the number is stored");
    await ask("/data/grace", { collection: "leads", data: { score: 12 } }, "PATCH");
    await cell("grace", "12").waitFor();
    await page.getByRole("button", { name: "Undo" }).click();
    await page.getByText("grace has been changed since: nothing was undone.").waitFor();
    expect((await stored("grace"))?.["score"]).toBe(12);
  });

  test("many are edited and deleted at once, as the preview says, and taken back", async () => {
    await page.getByLabel("Filter").fill("name:a"); // Ada, Grace and Alan
    await page.getByRole("button", { name: "Edit all…" }).click();
    await page.getByLabel("Field").fill("score");
    await page.getByLabel("Value").fill("10");
    const preview = page.getByRole("list", { name: "What will change" });
    expect(await preview.getByRole("listitem").allTextContents()).toEqual(
      expect.arrayContaining(["ada0 → 10", "alan20 → 10"]),
    );
    await page.getByRole("button", { name: "Change 2 documents" }).click(); // Grace has it
    await page.getByText("Changed 2 documents.").waitFor();
    for (const id of ["ada", "grace", "alan"]) expect((await stored(id))?.["score"]).toBe(10);
    await page.getByRole("button", { name: "Undo" }).click();
    await page.getByText("Undone").waitFor();
    expect((await stored("alan"))?.["score"]).toBe(20);

    await page.getByLabel("Filter").fill("score:0");
    await page.getByRole("button", { name: "Delete all…" }).click();
    await page.getByRole("button", { name: "Delete 3 documents" }).click();
    await until(async () => (await gateway.list("leads")).length === 0, "they are gone");
    await page.getByRole("button", { name: "Undo" }).click();
    await page.getByText("Undone").waitFor();
    expect(await stored("ada")).toMatchObject({ name: "Ada", score: 0 });
    expect(await gateway.list("leads")).toHaveLength(3);
  });

  test("what is exported is imported again, by its key, with a preview", async () => {
    await ask("/data", { collection: "leads", docId: "evil", data: { name: "=1+1", score: -1 } });
    await row("evil").waitFor();
    await page.getByRole("button", { name: "Export, import…" }).click();
    const files: Record<string, string> = {};
    for (const format of ["JSON", "NDJSON", "CSV", "Markdown"]) {
      const [download] = await Promise.all([
        page.waitForEvent("download"),
        page.getByRole("button", { name: format, exact: true }).click(),
      ]);
      files[download.suggestedFilename()] = await text(await download.createReadStream());
    }
    expect(Object.keys(files)).toEqual(["leads.json", "leads.ndjson", "leads.csv", "leads.md"]);
    expect(files["leads.csv"]).toContain("evil,'=1+1,-1\r\n");
    expect(files["leads.md"]).toContain("| ada | Ada | 0 |");

    const choose = (name: string, content = ""): Promise<void> =>
      page.getByLabel("File").setInputFiles({ name, mimeType: "text/plain", buffer: Buffer.from(content) });
    for (const name of ["leads.json", "leads.ndjson", "leads.csv"]) {
      await choose(name, files[name]);
      await page.getByText("0 new, 0 changed, 4 as they are").waitFor();
    }
    await choose("leads.csv", files["leads.csv"]?.replace("Ada", "Ada Lovelace").replace("grace", "hopper"));
    await page.getByText("1 new, 1 changed, 2 as they are").waitFor();
    await page.getByRole("button", { name: "Import 2 documents" }).click();
    await page.getByText("Imported: 1 new, 1 changed, 2 as they were.").waitFor();
    expect(await stored("ada")).toMatchObject({ name: "Ada Lovelace", score: 0 });
    expect(await stored("hopper")).toMatchObject({ name: "Grace", score: 10 });
    expect(await stored("evil")).toMatchObject({ name: "=1+1", score: -1 });
    expect(await gateway.list("leads")).toHaveLength(5);

    await page.getByRole("button", { name: "Export, import…" }).click();
    await choose("broken.ndjson", '{"_id":"a"}\n{"_id":');
    await page.getByText(/^Line 2: /).waitFor();
    await choose("names.json", '[{"name":"Grace","score":1},{"name":"Katherine"}]');
    await page.getByLabel("Key").selectOption("name");
    await page.getByText("1 new, 1 changed, 0 as they are").waitFor();
  });

  test("the draft is compared with what is published, and made the same", async () => {
    const draft = "/data?version=draft";
    await ask(draft, { collection: "leads", docId: "ada", data: { name: "Ada", score: 0 } });
    await ask(draft, { collection: "leads", docId: "grace", data: { name: "Grace", score: 1, draft: true } });
    await ask(draft, { collection: "leads", docId: "old", data: { name: "Old" } });
    await page.getByRole("button", { name: "Compare…" }).click();
    const list = page.getByRole("list", { name: "Differences" });
    await list.getByText("alan").waitFor();
    expect((await list.getByRole("listitem").allTextContents()).sort()).toEqual([
      "alanonly here",
      "gracedraft: true → nullscore: 1 → 10",
      "oldonly in draft",
    ]);
    await page.getByLabel("delete what is only there").check();
    await page.getByRole("button", { name: "Change 3 documents there" }).click();
    await page.getByText("Changed 3 documents of the draft collection.").waitFor();
    await list.getByText("They are the same.").waitFor();
    const answer = await fetch(`${gateway.url}${app}/data?version=draft&collection=leads`);
    const { docs } = (await answer.json()) as { docs: Record<string, unknown>[] };
    const names = docs.map((doc) => `${String(doc["name"])} ${String(doc["score"])}`).sort();
    expect(names).toEqual(["Ada 0", "Alan 20", "Grace 10"]);
    expect(await gateway.list("leads")).toHaveLength(3);
  });

  test("of a bulk change nothing is done where one document has changed meanwhile", async () => {
    await page.getByLabel("Filter").fill("name:a");
    await page.getByRole("button", { name: "Delete all…" }).click();
    await ask("/data/alan", { collection: "leads", data: { name: "Alan T." } }, "PATCH");
    await page.getByRole("button", { name: "Delete 3 documents" }).click();
    await page.getByRole("alert").waitFor();
    expect(await gateway.list("leads")).toHaveLength(3);
  });
});
