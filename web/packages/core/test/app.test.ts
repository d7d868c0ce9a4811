import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect, type Second, type Snapshot } from "@secondgate/core";
import { cutAll, CutSocket, Gateway, LossySocket, until } from "./gateway.js";

let gateway: Gateway;
beforeAll(async () => {
  gateway = await Gateway.start();
}, 60_000);
afterAll(() => gateway.stop());

function open(socket: typeof CutSocket = CutSocket): Second {
  return connect({ url: gateway.url, workspace: "w", app: "a", WebSocket: socket as unknown as typeof WebSocket });
}

interface Lead {
  name: string;
  score?: number;
  [other: string]: unknown;
}

/** All snapshots of a collection, as an observer gets them. */
function watch<T>(app: Second, name: string): { snapshots: Snapshot<T>[]; last(): Snapshot<T>; stop(): void } {
  const snapshots: Snapshot<T>[] = [];
  const stop = app.collection<T>(name).subscribe({ next: (s) => snapshots.push(s) });
  return { snapshots, last: () => snapshots[snapshots.length - 1] as Snapshot<T>, stop };
}

describe("a collection", () => {
  test("is shown, and later changes of others", async () => {
    const [mine, other] = [open(), open()];
    const seen = watch<Lead>(mine, "shown");
    expect(seen.last()).toEqual({ data: [], status: "loading", error: null, pending: 0 });
    await until(() => seen.last().status === "live", "the collection is live");
    const made = await other.collection<Lead>("shown").insert({ name: "Ada" });
    await until(() => seen.last().data.length === 1, "the other's document is here");
    expect(seen.last().data[0]).toMatchObject({ _id: made._id, name: "Ada" });
    await other.collection<Lead>("shown").update(made._id, { score: 7 });
    await until(() => seen.last().data[0]?.score === 7, "its change is here");
    await other.collection<Lead>("shown").remove(made._id);
    await until(() => seen.last().data.length === 0, "it is gone");
    mine.close();
    other.close();
  });

  test("shows own writes at once, and never takes them back", async () => {
    const app = open();
    const seen = watch<Lead>(app, "optimistic");
    await until(() => seen.last().status === "live", "the collection is live");
    const leads = app.collection<Lead>("optimistic");
    const inserted = leads.insert({ name: "Ada" });
    expect(seen.last()).toMatchObject({ data: [{ name: "Ada" }], pending: 1 });
    const doc = await inserted;
    const updated = leads.update(doc._id, { score: 1 });
    expect(seen.last()).toMatchObject({ data: [{ _id: doc._id, name: "Ada", score: 1 }] });
    await updated;
    await until(() => seen.last().pending === 0, "the gateway has told of the writes");
    const from = seen.snapshots.findIndex((s) => s.data.length > 0);
    for (const s of seen.snapshots.slice(from)) expect(s.data).toHaveLength(1);
    const first = seen.snapshots.findIndex((s) => s.data[0]?.score === 1);
    for (const s of seen.snapshots.slice(first)) expect(s.data[0]?.score).toBe(1);
    app.close();
  });

  test("takes a refused write back, and says why", async () => {
    const app = open();
    const seen = watch<Lead>(app, "refused");
    await until(() => seen.last().status === "live", "the collection is live");
    const refused = app.collection<Lead>("refused").update("nothing", { name: "x" });
    await expect(refused).rejects.toMatchObject({ code: "not_found", retryable: false });
    const big = app.collection<Lead>("refused").insert({ name: "x".repeat(2 << 20) });
    expect(seen.last().data).toHaveLength(1);
    await expect(big).rejects.toMatchObject({ code: "too_large" });
    expect(seen.last()).toMatchObject({ data: [], pending: 0 });
    await expect(app.collection("refused").insert({ n: 1n })).rejects.toMatchObject({ code: "invalid_document" });
    app.close();
  });

  test("keeps its order: the newest first, changes in place", async () => {
    const app = open();
    const leads = app.collection<Lead>("order");
    const ids: string[] = [];
    for (const name of ["a", "b", "c"]) ids.push((await leads.insert({ name }))._id);
    const seen = watch<Lead>(app, "order");
    await until(() => seen.last().data.length === 3, "all are here");
    expect(seen.last().data.map((d) => d.name)).toEqual(["c", "b", "a"]);
    await leads.update(ids[0] as string, { score: 1 });
    await leads.insert({ name: "d" });
    await until(() => seen.last().pending === 0 && seen.last().data.length === 4, "all is told");
    expect(seen.last().data.map((d) => d.name)).toEqual(["d", "c", "b", "a"]);
    app.close();
  });

  test("is the same object until something changes", async () => {
    const app = open();
    const leads = app.collection<Lead>("stable");
    await leads.insert({ name: "a" });
    await leads.insert({ name: "b" });
    const seen = watch<Lead>(app, "stable");
    await until(() => seen.last().data.length === 2, "both are here");
    expect(leads.getSnapshot()).toBe(leads.getSnapshot());
    const [first, second] = seen.last().data;
    await leads.update(first?._id as string, { score: 1 });
    await until(() => seen.last().data[0]?.score === 1 && seen.last().pending === 0, "the change is told");
    expect(seen.last().data[1]).toBe(second);
    expect(seen.last().data[0]).not.toBe(first);
    app.close();
  });

  test("carries data as JSON does", async () => {
    const app = open();
    const seen = watch(app, "odd");
    await until(() => seen.last().status === "live", "the collection is live");
    const at = new Date(0);
    const inserted = app.collection("odd").insert({ at, none: undefined, nan: Number.NaN, __proto__x: 1, html: "<b>" });
    const want = { at: at.toJSON(), nan: null, __proto__x: 1, html: "<b>" };
    expect(seen.last().data[0]).toMatchObject(want);
    expect(await inserted).toMatchObject(want);
    app.close();
  });
});

describe("a document", () => {
  test("is null, then there, then gone", async () => {
    const app = open();
    const doc = app.doc<Lead>("docs", "ada");
    const seen: (Lead | null)[] = [];
    doc.subscribe({ next: (s) => seen.push(s.data) });
    await until(() => doc.getSnapshot().status === "live", "the document is live");
    await app.collection<Lead>("docs").upsert("ada", { name: "Ada" });
    await until(() => doc.getSnapshot().data?.name === "Ada" && doc.getSnapshot().pending === 0, "it is there");
    await doc.remove();
    await until(() => doc.getSnapshot().data === null && doc.getSnapshot().pending === 0, "it is gone");
    expect(seen[0]).toBeNull();
    app.close();
  });
});

describe("upserts and batches", () => {
  test("an upsert by values changes the document that has them, at once", async () => {
    const app = open();
    const seen = watch<Lead>(app, "upserts");
    await until(() => seen.last().status === "live", "the collection is live");
    await app.collection<Lead>("upserts").upsert({ name: "Ada" }, { score: 1 });
    await until(() => seen.last().data.length === 1, "it was made");
    const again = app.collection<Lead>("upserts").upsert({ name: "Ada" }, { score: 2 });
    expect(seen.last().data[0]?.score).toBe(2);
    await again;
    expect(seen.last().data).toHaveLength(1);
    app.close();
  });

  test("a batch is shown whole, or taken back whole", async () => {
    const app = open();
    const seen = watch<Lead>(app, "batches");
    await until(() => seen.last().status === "live", "the collection is live");
    const refused = app.batch([
      { operation: "insert", collection: "batches", data: { name: "a" } },
      { operation: "update", collection: "batches", docId: "nothing", data: {} },
    ]);
    expect(seen.last().data).toHaveLength(1);
    await expect(refused).rejects.toMatchObject({ code: "not_found" });
    expect(seen.last().data).toHaveLength(0);
    await app.batch([
      { operation: "insert", collection: "batches", docId: "x", data: { name: "x" } },
      { operation: "insert", collection: "batches", docId: "y", data: { name: "y" } },
    ]);
    await until(() => seen.last().pending === 0, "the batch is told");
    expect(seen.last().data.map((d) => d._id).sort()).toEqual(["x", "y"]);
    app.close();
  });
});

describe("a connection", () => {
  test("that is cut comes back, and what was written meanwhile is neither lost nor doubled", async () => {
    const app = open();
    const seen = watch<Lead>(app, "cuts");
    await until(() => seen.last().status === "live", "the collection is live");
    const writes: Promise<unknown>[] = [];
    for (let i = 0; i < 60; i++) {
      writes.push(app.collection<Lead>("cuts").insert({ name: `${i}` }));
      if (i % 10 === 5) cutAll();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(seen.last().data).toHaveLength(60);
    await Promise.all(writes);
    await until(() => seen.last().pending === 0 && seen.last().status === "live", "all is told");
    const stored = await gateway.list("cuts");
    expect(stored.map((d) => d["name"]).sort()).toEqual(Array.from({ length: 60 }, (_, i) => `${i}`).sort());
    expect(seen.last().data.map((d) => d.name).sort()).toEqual(stored.map((d) => d["name"]).sort());
    for (const [i, s] of seen.snapshots.entries()) {
      const before = seen.snapshots[i - 1];
      if (before) expect(s.data.length).toBeGreaterThanOrEqual(before.data.length);
    }
    app.close();
  });

  test("that is cut shows the same objects again, if nothing has changed", async () => {
    const app = open();
    await app.collection<Lead>("same").insert({ name: "a" });
    const seen = watch<Lead>(app, "same");
    await until(() => seen.last().status === "live", "the collection is live");
    const { data } = seen.last();
    cutAll();
    await until(() => seen.last().status === "stale", "the cut is noticed");
    await until(() => seen.last().status === "live", "it is live again");
    expect(seen.last().data).toBe(data);
    app.close();
  });

  test("that loses the answer to a write has the write's effect once", async () => {
    const app = open(LossySocket);
    const seen = watch<Lead>(app, "lossy");
    await until(() => seen.last().status === "live", "the collection is live");
    LossySocket.armed = true;
    await app.collection<Lead>("lossy").insert({ name: "once" });
    expect(LossySocket.armed).toBe(false);
    await until(() => seen.last().pending === 0 && seen.last().status === "live", "all is told");
    expect(await gateway.list("lossy")).toHaveLength(1);
    expect(seen.last().data).toHaveLength(1);
    app.close();
  });

  test("are rejected once the app is closed", async () => {
    const app = open();
    app.close();
    await expect(app.collection("late").insert({})).rejects.toMatchObject({ code: "closed" });
  });

  test("whose gateway is killed shows stale data, then live data again", async () => {
    const app = open();
    const seen = watch<Lead>(app, "killed");
    await until(() => seen.last().status === "live", "the collection is live");
    await app.collection<Lead>("killed").insert({ name: "before" });
    await gateway.kill();
    await until(() => seen.last().status === "stale", "the loss is noticed");
    expect(seen.last().data).toHaveLength(1);
    const late = app.collection<Lead>("killed").insert({ name: "meanwhile" });
    expect(seen.last()).toMatchObject({ status: "stale", pending: 1 });
    await gateway.run();
    await late;
    await until(() => seen.last().status === "live" && seen.last().pending === 0, "it is live again");
    expect((await gateway.list("killed")).map((d) => d["name"]).sort()).toEqual(["before", "meanwhile"]);
    app.close();
  }, 90_000);
});
