import { afterAll, beforeAll, expect, test } from "vitest";
import { connect, type Doc, type Second } from "@secondgate/core";
import { dice } from "./dice.js";
import { cutAll, CutSocket, Gateway, until } from "./gateway.js";

let gateway: Gateway;
beforeAll(async () => {
  gateway = await Gateway.start();
});
afterAll(() => gateway.stop());

interface Account {
  balance: number;
}

const accounts = 6;

/**
 * Clients move money between accounts, in transactions, while connections are cut and the gateway is killed. Whoever
 * watches and writes nothing sees the same sum at every moment: whole transactions only. At the end all are equal.
 */
test.each([1, 2, 3, 4, 5, 6, 7, 8])("random history %i", async (seed) => {
  const roll = dice(seed);
  const collection = `accounts${seed}`;
  const open = (): Second =>
    connect({ url: gateway.url, workspace: "w", app: "a", WebSocket: CutSocket as unknown as typeof WebSocket });
  const [watcher, ...writers] = [open(), open(), open()] as [Second, Second, Second];
  await writers[0]?.batch(Array.from({ length: accounts }, (_, i) => (
    { operation: "insert" as const, collection, docId: `a${i}`, data: { balance: 100 } })));
  const sums = new Set<number>();
  const order: string[][] = [];
  watcher.collection<Account>(collection).subscribe({
    next: ({ data, status }) => {
      if (status === "loading") return;
      sums.add(data.reduce((sum, d) => sum + d.balance, 0));
      order.push(data.map((d) => d._id));
    },
  });
  for (const w of writers) w.collection(collection).subscribe({ next: () => undefined });
  await until(() => watcher.collection(collection).getSnapshot().status === "live", "the watcher is live");
  await Promise.all(writers.map((w) => until(() => w.collection(collection).getSnapshot().status === "live", "a writer is live")));

  const writes: Promise<unknown>[] = [];
  let notes = 0;
  for (let step = 0; step < 40; step++) {
    const w = writers[roll(writers.length)] as Second;
    const what = roll(20);
    if (what === 0) cutAll();
    else if (what === 1 && step % 3 === 0) {
      await gateway.kill();
      await gateway.run();
    } else if (what < 6) {
      notes++;
      writes.push(w.collection(`notes${seed}`).insert({ n: step }));
    } else {
      const [from, to] = [roll(accounts), roll(accounts)];
      if (from === to) continue;
      // Each batch writes all accounts, so of two at once one wins whole.
      const total = 50 + roll(100);
      writes.push(w.batch([
        { operation: "update", collection, docId: `a${from}`, data: { balance: 100 + total } },
        { operation: "update", collection, docId: `a${to}`, data: { balance: 100 - total } },
        ...Array.from({ length: accounts }, (_, i) => i).filter((i) => i !== from && i !== to).map((i) => (
          { operation: "update" as const, collection, docId: `a${i}`, data: { balance: 100 } })),
      ]));
    }
    await new Promise((resolve) => setTimeout(resolve, roll(8)));
  }
  await Promise.all(writes);
  for (const app of [watcher, ...writers]) {
    await until(() => {
      const s = app.collection(collection).getSnapshot();
      return s.status === "live" && s.pending === 0;
    }, "everybody is live");
  }
  const stored = byId(await gateway.list(collection) as Doc<Account>[]);
  for (const app of [watcher, ...writers]) {
    await until(() => equal(byId(app.collection<Account>(collection).getSnapshot().data), stored), "everybody has what is stored");
  }
  expect([...sums]).toEqual([100 * accounts]);
  for (const ids of order) expect(new Set(ids).size).toBe(accounts); // no row disappears, none is there twice
  expect((await gateway.list(`notes${seed}`)).length).toBe(notes);
  for (const app of [watcher, ...writers]) app.close();
}, 120_000);

function byId(docs: readonly Doc<Account>[]): Map<string, number> {
  return new Map(docs.map((d) => [d._id, d.balance]));
}

function equal(a: Map<string, number>, b: Map<string, number>): boolean {
  return a.size === b.size && [...a].every(([id, balance]) => b.get(id) === balance);
}
