import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { appIn, attached, shows } from "./app.js";
import { Site } from "./site.js";
import { until, World } from "./world.js";

let world: World;
let foreign: Site;
beforeAll(async () => {
  [world, foreign] = await Promise.all([World.start(), Site.start()]);
  await Promise.all([
    world.site.app("/new-app.js"),
    world.site.app("/old-app.js", "pages/old-sdk.ts"),
    world.site.page("/host", "host.tsx"),
  ]);
  foreign.html(
    "/thief",
    `<output>nothing</output><script>
    window.heard = []; addEventListener("message", (event) => heard.push(event.data));
    addEventListener("load", () => { document.querySelector("output").textContent = "loaded" });</script>`,
  );
});
beforeEach(async () => {
  await world.closeTabs();
  for (const doc of await world.gateway.list("leads")) await world.delete("leads", String(doc["_id"]));
});
afterAll(() => Promise.all([world?.stop(), foreign?.stop()]));

/** Has the app leave for the foreign page, and returns what is there then. */
async function leave(page: Awaited<ReturnType<World["tab"]>>): Promise<ReturnType<typeof page.frame>> {
  const app = await appIn(page);
  await app.evaluate(`location.href = ${JSON.stringify(`${foreign.url}/thief`)}`).catch(() => undefined);
  await until(
    () => page.frames().some((frame) => frame.url().startsWith(foreign.url)),
    "the foreign page is there",
  );
  return page.frames().find((frame) => frame.url().startsWith(foreign.url)) ?? null;
}

test.each(["new", "old"])(
  "a frame that leaves for a foreign origin receives nothing (%s app)",
  async (which) => {
    const page = await world.tab(`/host?app=/${which}-app.js`);
    const app = await appIn(page);
    await app.evaluate(`leads.insert({ name: "mine" })`);
    await shows(app, ["mine"]);
    const thief = await leave(page);
    await thief?.getByText("loaded").waitFor(attached);
    await world.insert("leads", { docId: "secret", data: { name: "secret" } });
    const watcher = await appIn(await world.tab("/host?app=/new-app.js"));
    await shows(watcher, ["secret", "mine"]);
    await page.evaluate(`document.querySelector("iframe").contentWindow.postMessage("probe", "*")`);
    await until(
      async () => ((await thief?.evaluate<unknown[]>("heard")) ?? []).includes("probe"),
      "the thief hears a probe",
    );
    expect(await thief?.evaluate("heard")).toEqual(["probe"]);
  },
);

test("who is not the frame is not heard: the page itself, another frame, a popup", async () => {
  const page = await world.tab("/host?app=/new-app.js");
  await appIn(page);
  await page.evaluate(`(() => {
    const forged = { source: "second-app", type: "second:data:insert", requestId: "1", collection: "leads", 
      data: { name: "forged" } };
    window.postMessage(forged, "*");
    const other = document.body.appendChild(document.createElement("iframe"));
    other.srcdoc = "<script>parent.postMessage(" + JSON.stringify(forged) + ", '*');" +
      "const { port1, port2 } = new MessageChannel();" +
      "parent.postMessage({ source: 'second-app', type: 'second:hello' }, '*', [port2]);" +
      "parent.postMessage('other is done', '*')</" + "script>";
    window.done = [];
    addEventListener("message", (event) => done.push(event.data));
  })()`);
  await until(
    async () => (await page.evaluate<unknown[]>("done")).includes("other is done"),
    "the other frame has sent",
  );
  const own = page.frames().find((frame) => frame.parentFrame() && frame.url() === "about:srcdoc");
  await own?.evaluate(`leads.insert({ name: "own" })`);
  await until(async () => (await world.gateway.list("leads")).length > 0, "the app's own write is stored");
  expect(await world.gateway.list("leads")).toMatchObject([{ name: "own" }]);
});

test("names and markup in documents stay data", async () => {
  const page = await world.tab("/host?app=/new-app.js");
  const app = await appIn(page);
  const markup = `<img src=x onerror="document.title='run'"><script>document.title='run'</script>`;
  await world.raw(
    "leads",
    `{"name":${JSON.stringify(markup)},"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}`,
  );
  await shows(app, [markup]);
  await app.evaluate(`leads.insert(JSON.parse('{"name":"own","__proto__":{"polluted":2},"constructor":1}'))`);
  await shows(app, ["own", markup]);
  const docs = await app.evaluate(
    `leads.data.map((doc) => [Object.hasOwn(doc, "__proto__"), Object.hasOwn(doc, "constructor")])`,
  );
  expect(docs).toEqual([
    [true, true],
    [true, true],
  ]);
  for (const where of [app, page]) {
    expect(await where.evaluate("({}).polluted"), "a prototype is polluted").toBeUndefined();
    expect(await where.evaluate("document.title")).toBe("");
  }
  expect(await world.text("leads")).toContain(`"__proto__":{"polluted":2}`);
});

test.each(["new", "old"])(
  "no document hears what another one of its frame has asked for (%s app)",
  async (which) => {
    const page = await world.tab(`/host?app=/${which}-app.js`);
    await appIn(page);
    for (let i = 1; i <= 5; i++) {
      const app = await appIn(page);
      // Under way when the document goes: a write of its own, and another's.
      await app.evaluate(`void leads.insert({ name: "pending" })`);
      await world.insert(`build${i - 1}`, { data: { name: "others" } });
      const key = i % 2; // another element, or the same one with another document
      await page.evaluate(`rebuild("build${i}", { key: ${key} * ${i} })`);
      await until(
        async () =>
          (await page
            .frames()[1]
            ?.evaluate("document.documentElement.dataset.collection")
            .catch(() => null)) === `build${i}`,
        "the new document is there",
      );
      const next = await appIn(page);
      await next.evaluate(`leads.insert({ name: "own" })`);
      await until(async () => (await next.locator("li").count()) > 0, "the new document's write is shown");
      const heard = await next.evaluate<{ type: string; collection?: string }[]>("heard");
      expect(heard.filter((m) => m.collection !== `build${i}` && m.type !== "second:agents:list")).toEqual(
        [],
      );
    }
  },
);
