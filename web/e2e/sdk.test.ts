import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Frame } from "playwright-core";
import { appIn, attached, shows } from "./app.js";
import { expectNoFlicker } from "./rows.js";
import { until, World } from "./world.js";

let world: World;
beforeAll(async () => {
  world = await World.start();
  await Promise.all([
    world.site.app("/new-app.js"),
    world.site.app("/old-app.js", "pages/old-sdk.ts"),
    world.site.page("/host", "host.tsx"),
    world.site.page("/old-host", "old-host.ts"),
  ]);
});
beforeEach(async () => {
  await world.closeTabs();
  for (const doc of await world.gateway.list("leads")) await world.delete("leads", String(doc["_id"]));
});
afterAll(() => world?.stop());

const pairs = [
  ["our file under our page", "/host?app=/new-app.js"],
  ["our file under today's page", "/old-host?app=/new-app.js"],
  ["today's file under our page", "/host?app=/old-app.js"],
  ["today's file under today's page", "/old-host?app=/old-app.js"], // what the other three are measured by
] as const;

describe.each(pairs)("%s", (_, path) => {
  test("writes, and hears of others' writes, in today's order", async () => {
    await world.insert("leads", { docId: "first", data: { name: "first" } });
    const app = await appIn(await world.tab(path));
    await shows(app, ["first"]);
    const id = await app.evaluate<string>(`leads.insert({ name: "second" }).then((doc) => doc._id)`);
    await shows(app, ["second", "first"]);
    await world.insert("leads", { docId: "third", data: { name: "third" } });
    await shows(app, ["third", "second", "first"]);
    expect(await app.evaluate(`leads.update("first", { name: "changed" }).then((doc) => doc.name)`)).toBe(
      "changed",
    );
    await shows(app, ["third", "second", "changed"]);
    await world.update("leads", "third", { name: "outside" });
    await shows(app, ["outside", "second", "changed"]);
    await app.evaluate(`setOpen("first")`);
    await until(
      async () => (await app.locator("article").textContent()) === "changed",
      "the document is shown",
    );
    await world.update("leads", "first", { name: "again" });
    await until(async () => (await app.locator("article").textContent()) === "again", "its change is shown");
    await app.evaluate(`leads.remove(${JSON.stringify(id)})`);
    await shows(app, ["outside", "again"]);
    await world.delete("leads", "first");
    await shows(app, ["outside"]);
    await until(async () => (await app.locator("article").textContent()) === "none", "the document is gone");
    expect(await app.locator("pre").count(), "an error has replaced the app").toBe(0);
    expect(world.thrown).toEqual([]);
  });

  test("carries values as JSON does", async () => {
    const app = await appIn(await world.tab(path));
    await app.evaluate(
      `leads.insert({ name: "odd", at: new Date(0), none: undefined, nan: NaN, deep: [1, { __proto__x: 2 }] })`,
    );
    await shows(app, ["odd"]);
    expect((await world.gateway.list("leads"))[0]).toMatchObject({
      name: "odd",
      at: "1970-01-01T00:00:00.000Z",
      nan: null,
      deep: [1, { __proto__x: 2 }],
    });
    expect((await world.gateway.list("leads"))[0]).not.toHaveProperty("none");
    expect(await failure(app, `leads.insert({ name: () => 1 })`)).toBe("DataCloneError");
    await shows(app, ["odd"]);
  });
});

/** The name or code of the error that a write is rejected with. */
function failure(app: Frame, write: string): Promise<string | undefined> {
  return app.evaluate(
    `${write}.then(() => undefined, (error) => (typeof error.code === "string" ? error.code : error.name))`,
  );
}

describe("our file under our page", () => {
  test("shows writes at once, while the gateway is away, and takes back what is refused", async () => {
    const page = await world.tab("/host?app=/new-app.js");
    const app = await appIn(page);
    await app.evaluate(`leads.insert({ name: "before" })`);
    await app.getByText("live, 0 pending").waitFor(attached);
    await world.gateway.kill();
    await app.evaluate(`void leads.insert({ name: "meanwhile" });
      window.refused = leads.insert({ name: "x".repeat(1 << 20) }).catch((error) => error.code); 0`);
    await app.getByText("stale, 2 pending").waitFor(attached);
    expect(await app.locator("li").count()).toBe(3);
    await world.gateway.run();
    expect(await app.evaluate("window.refused")).toBe("too_large");
    await app.getByText("live, 0 pending").waitFor(attached);
    await shows(app, ["meanwhile", "before"]);
    expectNoFlicker(await app.evaluate<string[][]>("frames"));
  });

  test("upserts and batches; a refused write rejects with its code", async () => {
    const app = await appIn(await world.tab("/host?app=/new-app.js"));
    await app.evaluate(`leads.upsert("ada", { name: "Ada" })`);
    await app.evaluate(`leads.upsert({ name: "Ada" }, { score: 1 })`);
    expect(await world.gateway.list("leads")).toMatchObject([{ _id: "ada", name: "Ada", score: 1 }]);
    await app.evaluate(`leads.batch([{ operation: "insert", collection: "leads", data: { name: "Bob" } },
      { operation: "delete", collection: "leads", docId: "ada" }])`);
    await shows(app, ["Bob"]);
    expect(await failure(app, `leads.update("none", { name: "x" })`)).toBe("not_found");
    expect(await failure(app, `leads.insert({ name: 1n })`)).toBe("invalid_document");
    await shows(app, ["Bob"]);
  });

  test("gets all data on its port: windows carry none", async () => {
    const app = await appIn(await world.tab("/host?app=/new-app.js"));
    await app.evaluate(`leads.insert({ name: "secret" })`);
    await shows(app, ["secret"]);
    const heard = await app.evaluate<{ type: string }[]>("heard");
    expect(heard.filter((m) => m.type !== "second:agents:list")).toEqual([]);
  });
});

test("our file under today's page says what that page cannot do", async () => {
  const app = await appIn(await world.tab("/old-host?app=/new-app.js"));
  expect(await failure(app, `leads.upsert("ada", { name: "Ada" })`)).toBe("unknown_type");
  expect(await failure(app, `leads.batch([])`)).toBe("unknown_type");
});

test("on an insecure origin, without randomUUID and locks, everything works", async () => {
  const { port } = new URL(world.gateway.url);
  const page = await world.tab("/host?app=/new-app.js", `http://lan.test:${port}`);
  expect(await page.evaluate("isSecureContext")).toBe(false);
  const app = await appIn(page);
  expect(await app.evaluate("typeof crypto.randomUUID")).toBe("undefined");
  await app.evaluate(`leads.insert({ name: "lan" })`);
  await shows(app, ["lan"]);
});
