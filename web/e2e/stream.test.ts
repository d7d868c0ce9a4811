import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { Proxy } from "./proxy.js";
import { expectNoFlicker, rows, settled } from "./rows.js";
import { until, World } from "./world.js";

let world: World;
let proxy: Proxy;
beforeAll(async () => {
  world = await World.start();
  proxy = await Proxy.start(world.gateway.url);
  await world.site.page("/leads", "leads.tsx");
});
beforeEach(async () => {
  await world.closeTabs();
  for (const doc of await world.gateway.list("leads")) await world.delete("leads", String(doc["_id"]));
});
afterAll(async () => {
  await proxy?.stop();
  await world?.stop();
});

const named = (count: number): string[] => Array.from({ length: count }, (_, i) => `lead ${i}`).sort();

test.each(["refuse", "hang"] as const)(
  "where the network lets no socket through (%s), a stream takes its place",
  async (mode) => {
    proxy.mode = mode;
    const tab = await world.tab("/leads", proxy.url);
    await settled(tab);
    expect(proxy.streams).toBe(1);
    expect(proxy.open).toBe(0);
    await tab.evaluate("burst(0, 40)");
    for (let i = 0; i < 20; i++) await world.insert("leads", { data: { name: `outside ${i}` } });
    await until(async () => (await rows(tab)).length === 60, "all rows are shown");
    await settled(tab);
    await world.insert("leads", { docId: "x", data: { name: "x" } });
    await until(async () => (await rows(tab)).includes("x"), "a later change is shown");
    await world.update("leads", "x", { name: "y" });
    await until(async () => (await rows(tab)).includes("y"), "its update is shown");
    await tab.evaluate(`leads.remove("x")`);
    await until(async () => (await rows(tab)).length === 60, "it is gone");
    expect(await rows(tab)).toEqual((await world.gateway.list("leads")).map((doc) => doc["name"]).sort());
    expectNoFlicker(await tab.evaluate<string[][]>("frames"));

    proxy.mode = "open";
    await until(() => proxy.open === 1 && proxy.streams === 0, "a socket has taken over again");
    await settled(tab);
    await world.insert("leads", { docId: "z", data: { name: "z" } });
    await until(async () => (await rows(tab)).includes("z"), "the socket brings changes");
    expectNoFlicker(await tab.evaluate<string[][]>("frames"));
    expect(world.thrown).toEqual([]);
  },
);

test("a batch is whole, and an upsert and names with dots work where there is no socket", async () => {
  proxy.mode = "refuse";
  const tab = await world.tab("/leads", proxy.url);
  await settled(tab);
  await tab.evaluate(`Promise.all([
    leads.upsert("a", { name: "first" }),
    app.batch([
      { operation: "insert", collection: "leads", docId: "b", data: { name: "second" } },
      { operation: "update", collection: "leads", docId: "a", data: { name: "changed", "x.y": 1 } },
    ]),
    leads.upsert("c", { name: "third" }),
    leads.upsert({ name: "third" }, { "n.o": 2 }),
    leads.update("c", { last: true }),
  ])`);
  await settled(tab);
  expect(await rows(tab)).toEqual(["changed", "second", "third"]);
  const stored = Object.fromEntries((await world.gateway.list("leads")).map((doc) => [doc["_id"], doc]));
  expect(stored["a"]).toMatchObject({ name: "changed", "x.y": 1 });
  expect(stored["c"]).toMatchObject({ name: "third", "n.o": 2, last: true });
  const code = await tab.evaluate(`app.batch([
    { operation: "delete", collection: "leads", docId: "a" },
    { operation: "update", collection: "leads", docId: "none", data: { name: "x" } },
  ]).then(() => "done", (error) => error.code)`);
  expect(code).toBe("not_found");
  await settled(tab);
  expect(await rows(tab)).toEqual(["changed", "second", "third"]);
});

test("a stream whose gateway is killed in mid-burst loses and doubles nothing, and no row flickers", async () => {
  proxy.mode = "refuse";
  const tab = await world.tab("/leads", proxy.url);
  await settled(tab);
  await tab.evaluate("burst(0, 100)");
  for (const some of [20, 60]) {
    await until(async () => (await rows(tab)).length > some, `more than ${some} rows are shown`);
    await world.gateway.kill();
    await world.gateway.run();
  }
  await until(async () => (await tab.evaluate<number>("answers.done")) === 100, "all writes are answered");
  await settled(tab);
  expect((await world.gateway.list("leads")).map((doc) => doc["name"]).sort()).toEqual(named(100));
  expect(await rows(tab)).toEqual(named(100));
  expectNoFlicker(await tab.evaluate<string[][]>("frames"));
});

test("a socket that is cut and then blocked goes on as a stream", async () => {
  proxy.mode = "open";
  const tab = await world.tab("/leads", proxy.url);
  await settled(tab);
  await tab.evaluate("burst(0, 60)");
  await until(async () => (await rows(tab)).length > 20, "more than 20 rows are shown");
  proxy.mode = "refuse";
  proxy.cut();
  await until(() => proxy.streams === 1, "a stream is open");
  await until(async () => (await tab.evaluate<number>("answers.done")) === 60, "all writes are answered");
  await settled(tab);
  expect(await rows(tab)).toEqual(named(60));
  expectNoFlicker(await tab.evaluate<string[][]>("frames"));
});
