import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { connect, type Doc, type Message, type Second } from "@secondgate/core";
import { dice } from "./dice.js";
import { CutSocket, Gateway, until } from "./gateway.js";

let gateway: Gateway;
beforeAll(async () => {
  gateway = await Gateway.start();
});
afterAll(async () => {
  await gateway.stop();
  // On a slow machine the gateway tells of several commits at once, to each client of others.
  expect(total.compared, "how many states were compared").toBeGreaterThan(seeds);
  expect(total.refused, "how many writes were refused").toBeGreaterThan(seeds);
});

type Docs = Map<string, string>; // documents as text by id

const textOf = (doc: object): string =>
  JSON.stringify(Object.entries(doc).sort(([a], [b]) => (a < b ? -1 : 1)));
const keep = (docs: readonly Doc[]): Docs => new Map(docs.map((doc) => [doc._id, textOf(doc)]));

/** The states of a collection, by the cursor of each bookmark: read over a plain socket, with the simplest code. */
class Oracle {
  readonly at = new Map<string, Docs>();
  private readonly docs: Docs = new Map();
  private constructor(private readonly socket: WebSocket) {}

  static async follow(collection: string): Promise<Oracle> {
    const url = `${gateway.url.replace("http", "ws")}/api/workspaces/w/apps/a/data/socket?changes=none`;
    const oracle = new Oracle(new WebSocket(url, ["second.data.v1"]));
    oracle.socket.on("open", () =>
      oracle.socket.send(JSON.stringify({ type: "second:data:subscribe", requestId: "1", collection })),
    );
    oracle.socket.on("message", (frame) => {
      for (const m of [JSON.parse(String(frame)) as Message | Message[]].flat()) oracle.take(m, collection);
    });
    await until(() => oracle.at.size > 0, "the oracle has a state");
    return oracle;
  }

  private take(m: Message, collection: string): void {
    if (m.type === "second:data:reset") throw new Error("the oracle is reset");
    if (m.type === "second:data:bookmark") this.at.set(m.cursor ?? "", new Map(this.docs));
    if (m.type === "second:data:subscribe-response")
      for (const doc of m.docs ?? []) this.docs.set(doc._id, textOf(doc));
    if (m.type !== "second:data:change" || m.collection !== collection) return;
    if (m.operation === "delete") this.docs.delete(m.docId ?? "");
    else this.docs.set(m.docId ?? "", textOf(m.doc ?? {}));
  }

  close(): void {
    this.socket.terminate();
  }
}

/** What a rough network does to a socket's messages, in their order. */
interface Roughness {
  roll: (n: number) => number;
  sockets: Set<CutSocket>;
}

/** A WebSocket whose messages are late, and some of which are lost, as by a gateway that says so with a reset. */
function rough({ roll, sockets }: Roughness): typeof globalThis.WebSocket {
  class RoughSocket extends CutSocket {
    private before = Promise.resolve();
    constructor(url: string, protocols: string[]) {
      super(url, protocols);
      sockets.add(this);
    }
    override emit(event: string, ...args: unknown[]): boolean {
      if (event !== "message" && event !== "close") return super.emit(event, ...args);
      const wait = event === "message" ? roll(6) : 0;
      const lost =
        event === "message" && roll(25) === 0 && !/-response|settled|welcome/.test(String(args[0]));
      this.before = this.before.then(async () => {
        if (wait > 2) await new Promise((resolve) => setTimeout(resolve, wait));
        if (lost) super.emit("message", Buffer.from('{"type":"second:data:reset","reason":"lost"}'), false);
        else super.emit(event, ...args);
      });
      return true;
    }
  }
  return RoughSocket as unknown as typeof globalThis.WebSocket;
}

/** What a client showed at a bookmark. The documents in open may have own writes on them. */
interface Seen {
  cursor: string;
  docs: Docs;
  open: ReadonlySet<string>;
}

class Client {
  readonly app: Second;
  readonly seen: Seen[] = [];
  private readonly open = new Set<string>(); // written since nothing was pending
  refused = 0;
  private under = 0;

  constructor(
    private readonly collection: string,
    roughness: Roughness,
  ) {
    this.app = connect({
      url: gateway.url,
      workspace: "w",
      app: "a",
      WebSocket: rough(roughness),
      watch: (m) => m.type === "second:data:bookmark" && queueMicrotask(() => this.look(m.cursor ?? "")),
    });
    this.app.collection(collection).subscribe({ next: () => undefined });
  }

  /** What is shown once a bookmark counts. */
  private look(cursor: string): void {
    const { status, data, pending } = this.app.collection(this.collection).getSnapshot();
    if (pending === 0 && this.under === 0) this.open.clear();
    if (status === "live") this.seen.push({ cursor, docs: keep(data), open: new Set(this.open) });
  }

  /** Makes a random write, of which some are refused. */
  async write(roll: (n: number) => number): Promise<void> {
    const { collection, app } = this;
    const on = app.collection(collection);
    const id = `d${roll(8)}`;
    const other = `d${roll(8)}`;
    for (const one of [id, other]) this.open.add(one);
    this.under++;
    const n = { n: roll(1000) };
    try {
      await [
        () => on.upsert(id, n),
        () => on.upsert(id, { [`f${roll(3)}`]: roll(9) }),
        () => on.update(id, n), // refused where there is none
        () => on.remove(id),
        () =>
          app.batch([
            { operation: "upsert", collection, docId: id, data: n },
            { operation: "update", collection, docId: other, data: n },
          ]),
        () => app.batch([{ operation: "update", collection, docId: id, data: n, ifRev: "other" }]),
      ][roll(6)]?.();
    } catch {
      this.refused++;
    } finally {
      this.under--;
    }
  }
}

/**
 * Whatever a rough network does, a client that is live shows at each bookmark exactly what the database was there, but
 * for documents that its own unsettled writes are on.
 */
const total = { compared: 0, refused: 0 };
const seeds = Number(process.env["SEEDS"] ?? 40);
test.each(Array.from({ length: seeds }, (_, i) => i + 1))(
  "exact at each bookmark, history %i",
  async (seed) => {
    const roll = dice(seed);
    const collection = `exact${seed}`;
    const sockets = new Set<CutSocket>();
    const oracle = await Oracle.follow(collection);
    const clients = [0, 1, 2].map(() => new Client(collection, { roll, sockets })) as [
      Client,
      Client,
      Client,
    ];
    const writes: Promise<void>[] = [];
    for (let step = 0; step < 60; step++) {
      const what = roll(20);
      if (what === 0) for (const socket of sockets) if (roll(2) === 0) socket.terminate();
      if (what > 2) writes.push((clients[roll(2)] as Client).write(roll)); // the third only looks
      if (what % 3 === 0) await new Promise((resolve) => setTimeout(resolve, roll(6)));
    }
    await Promise.all(writes);
    const list = await fetch(`${gateway.url}/api/workspaces/w/apps/a/data?collection=${collection}&rev=1`);
    const stored = text(keep(((await list.json()) as { docs: Doc[] }).docs));
    for (const { app } of clients) {
      const shown = app.collection(collection).getSnapshot;
      await until(
        () => shown().status === "live" && shown().pending === 0,
        "a client is live, and all is told",
      );
    }
    for (const { app } of clients) {
      const shown = (): string => text(keep(app.collection(collection).getSnapshot().data));
      await until(() => shown() === stored, "a client has what is stored");
    }
    let compared = 0;
    for (const { seen } of clients) {
      for (const { cursor, docs, open } of seen) {
        const want = oracle.at.get(cursor);
        if (!want) continue; // the gateway told the oracle of several commits at once
        compared++;
        expect(text(docs, open), `at ${cursor}`).toBe(text(want, open));
      }
    }
    total.compared += compared;
    total.refused += clients[0].refused + clients[1].refused;
    for (const { app } of clients) app.close();
    oracle.close();
  },
  120_000,
);

/** Documents as one text, by their ids. */
const text = (docs: Docs, but: ReadonlySet<string> = new Set()): string =>
  [...docs]
    .filter(([id]) => !but.has(id))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, doc]) => doc)
    .join("\n");
