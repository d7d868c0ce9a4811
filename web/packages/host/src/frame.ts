import {
  SecondError,
  type Doc,
  type DocSnapshot,
  type Operation,
  type Second,
  type Snapshot,
} from "@secondgate/core";

type Data = Record<string, unknown>;

/** A change of the app's data, as today's pages get it. */
export interface AppDataLiveChange {
  type: "insert" | "update" | "delete";
  sourceVersion: "draft" | "published";
  collection: string;
  doc?: Data;
  docId?: string;
}

/** A message of an app. Apps are not trusted: any field may be anything. */
export interface Asked {
  type?: unknown;
  requestId?: unknown;
  collection?: unknown;
  docId?: unknown;
  data?: unknown;
  filter?: unknown;
  operations?: unknown;
}

/** How a session's messages reach its document. */
export interface Way {
  post(message: Data): void;
  /** A port: one message has all changes of a collection, and the app says when it has taken them. */
  grouped: boolean;
}

/** What the app follows, and what it has been told of it. */
interface Followed {
  collection: string;
  docId: string | null;
  known: Map<string, Doc>;
  now: { docs: readonly Doc[]; status: string; error: SecondError | null; pending: number } | null;
  stop(): void;
}

const atOnce = 200; // changes that a frame gets before its page can do something else
const patience = 12_000; // until a list that cannot be read is answered
const mostRequests = 1_000; // of one app that are not answered
const mostFollowed = 1_000; // collections and documents of one app

/**
 * One document's session: it answers the document's requests and tells it what changes. What a slow document has not
 * taken is never queued: it is told the difference between what it knows and what there is then.
 */
export class FrameSession {
  private readonly app: Second;
  private readonly version: "draft" | "published";
  private readonly way: Way;
  private readonly told: (change: AppDataLiveChange) => void;
  private readonly followed = new Map<string, Followed>();
  private readonly changed = new Set<Followed>();
  private queue: Data[] = [];
  private flushing: ReturnType<typeof setTimeout> | undefined;
  private requests = 0;
  private untaken = 0; // groups of changes that the app has not taken
  private muted = false;
  private ended = false;

  constructor(
    app: Second,
    version: "draft" | "published",
    way: Way,
    told: (change: AppDataLiveChange) => void,
  ) {
    this.app = app;
    this.version = version;
    this.way = way;
    this.told = told;
  }

  end(): void {
    this.ended = true;
    clearTimeout(this.flushing);
    for (const { stop } of this.followed.values()) stop();
    this.followed.clear();
    this.changed.clear();
    this.queue = [];
  }

  /** The frame may have another document: it is told no change until it says something. */
  mute(): void {
    this.muted = true;
  }

  /** Answers a request of the app. What is none is left to whoever else listens. */
  async handle(asked: Asked): Promise<void> {
    if (this.muted) this.unmute();
    const { type, requestId } = asked;
    if (type === "second:data:ack") this.taken();
    else if (type === "second:data:unsubscribe") this.unfollow(asked);
    if (typeof type !== "string" || typeof requestId !== "string") return;
    const work = this.work(type, asked);
    if (!work) return;
    if (++this.requests > mostRequests) await this.answer(asked, tooMany);
    else await this.answer(asked, work);
    this.requests--;
  }

  private work(type: string, asked: Asked): (() => Promise<Data>) | null {
    const { app } = this;
    if (type === "second:data:batch" && Array.isArray(asked.operations)) {
      return async () => (await app.batch(asked.operations as Operation[]), {});
    }
    if (typeof asked.collection !== "string") return null;
    const name = asked.collection;
    const collection = app.collection(name);
    const id = typeof asked.docId === "string" ? asked.docId : "";
    const data = objectOf(asked.data);
    switch (type) {
      case "second:data:list":
        return async () => ({ docs: await this.list(name) });
      case "second:data:doc":
        return async () => ({ doc: await this.doc(name, id) });
      case "second:data:insert":
        return async () => ({ doc: plain(await collection.insert(data)) });
      case "second:data:update":
        // To today's apps a name with dots is a path, as it is to their host.
        return async () => ({
          docId: id,
          doc: plain(await collection.update(id, data, { paths: !this.way.grouped })),
        });
      case "second:data:delete":
        return async () => (await collection.remove(id).catch(unlessGone), { docId: id });
      case "second:data:upsert":
        return async () => ({ doc: plain(await collection.upsert(id || objectOf(asked.filter), data)) });
    }
    return null;
  }

  /** Answers with what work gives, or with what today's apps take for nothing, and why. */
  private async answer(asked: Asked, work: () => Promise<Data>): Promise<void> {
    let payload: Data;
    try {
      payload = await work();
    } catch (cause) {
      const e = cause instanceof SecondError ? cause : new SecondError("internal", String(cause));
      payload = {
        ...(nothing[asked.type as string] ?? {}),
        error: { code: e.code, message: e.message, retryable: e.retryable },
      };
    }
    const { type, collection, requestId } = asked;
    this.send({ type: `${String(type)}-response`, collection, requestId, ...payload });
  }

  private send(message: Data): void {
    if (!this.ended) this.way.post({ source: "second-platform", ...message });
  }

  private unmute(): void {
    this.muted = false;
    this.schedule();
  }

  // Following.

  private async list(collection: string): Promise<Data[]> {
    const { subscribe, getSnapshot } = this.app.collection(collection);
    const s = await settledSnapshot<Snapshot<Data>>(subscribe, getSnapshot);
    this.follow(collection, null, s.data, (observer) =>
      subscribe({ next: (next) => observer(next, next.data) }),
    );
    return s.data.map(plain);
  }

  private async doc(collection: string, docId: string): Promise<Data | null> {
    const { subscribe, getSnapshot } = this.app.doc(collection, docId);
    const s = await settledSnapshot<DocSnapshot<Data>>(subscribe, getSnapshot);
    const docs = (data: Doc | null): Doc[] => (data ? [data] : []);
    this.follow(collection, docId, docs(s.data), (observer) =>
      subscribe({ next: (next) => observer(next, docs(next.data)) }),
    );
    return s.data ? plain(s.data) : null;
  }

  /** Tells the app what changes from here on. */
  private follow(
    collection: string,
    docId: string | null,
    known: readonly Doc[],
    subscribe: (observer: (s: Omit<Snapshot<Data>, "data">, docs: readonly Doc[]) => void) => () => void,
  ): void {
    const key = keyOf(collection, docId);
    if (this.followed.has(key) || this.ended) return;
    if (this.followed.size >= mostFollowed)
      throw new SecondError("too_large", `an app may follow ${mostFollowed} things`);
    const f: Followed = { collection, docId, known: byId(known), now: null, stop: () => undefined };
    this.followed.set(key, f);
    f.stop = subscribe(({ status, error, pending }, docs) => {
      if (status === "loading") return;
      f.now = { docs, status, error, pending };
      this.changed.add(f);
      this.schedule();
    });
  }

  private unfollow({ collection, docId }: Asked): void {
    const key = keyOf(String(collection), typeof docId === "string" ? docId : null);
    const f = this.followed.get(key);
    if (!f) return;
    f.stop();
    this.followed.delete(key);
    this.changed.delete(f);
  }

  // Telling.

  private schedule(): void {
    this.flushing ??= setTimeout(() => this.flush(), 0);
  }

  private taken(): void {
    if (this.untaken > 0) this.untaken--;
    if (this.changed.size > 0) this.schedule();
  }

  private flush(): void {
    this.flushing = undefined;
    if (this.muted || this.ended) return;
    if (this.way.grouped) this.flushGroups();
    else this.flushSingles();
  }

  private flushGroups(): void {
    if (this.untaken > 0) return; // its acknowledgement comes
    for (const f of this.changed) {
      const changes = this.difference(f).map(({ type, doc, docId }) => ({ operation: type, doc, docId }));
      const { status, error, pending } = f.now ?? { status: "live", error: null, pending: 0 };
      const why = error && { code: error.code, message: error.message, retryable: error.retryable };
      this.untaken++;
      const { collection, docId } = f;
      this.send({ type: "second:data:changes", collection, docId, changes, status, error: why, pending });
    }
    this.changed.clear();
  }

  private flushSingles(): void {
    if (this.queue.length === 0) {
      for (const f of this.changed) {
        for (const { type, collection, doc, docId } of this.difference(f)) {
          const id = type === "insert" ? undefined : docId;
          this.queue.push({ type: "second:data:change", collection, operation: type, doc, docId: id });
        }
      }
      this.changed.clear();
    }
    for (const message of this.queue.splice(0, atOnce)) this.send(message);
    if (this.queue.length > 0 || this.changed.size > 0) this.schedule();
  }

  /**
   * What turns what the app knows into what there is. The newest comes last, since apps put each in
   * front.
   */
  private difference(f: Followed): AppDataLiveChange[] {
    const docs = f.now?.docs ?? [];
    const { collection } = f;
    const changes: AppDataLiveChange[] = [];
    const gone = new Set(f.known.keys());
    for (const doc of [...docs].reverse()) {
      const before = f.known.get(doc._id);
      gone.delete(doc._id);
      if (before === doc) continue;
      const type = before ? "update" : "insert";
      changes.push({ type, sourceVersion: this.version, collection, docId: doc._id, doc: plain(doc) });
    }
    for (const docId of gone)
      changes.push({ type: "delete", sourceVersion: this.version, collection, docId });
    f.known = byId(docs);
    for (const change of changes) this.told(change);
    return changes;
  }
}

/** What an answer has beside its error: what today's apps take for nothing. */
const nothing: Record<string, Data> = {
  "second:data:list": { docs: [] },
  "second:data:doc": { doc: null },
  "second:data:insert": { doc: null },
  "second:data:update": { doc: null },
  "second:data:upsert": { doc: null },
};

const tooMany = (): Promise<Data> =>
  Promise.reject(new SecondError("rate_limited", `the app waits for ${mostRequests} answers already`, true));

const objectOf = (value: unknown): Data => (typeof value === "object" && value ? value : {}) as Data;

const byId = (docs: readonly Doc[]): Map<string, Doc> => new Map(docs.map((doc) => [doc._id, doc]));

const keyOf = (collection: string, docId: string | null): string =>
  docId === null ? collection : `${collection}\u0000${docId}`;

/** A document as today's apps know it: they show every field as a column. */
function plain(doc: Data): Data {
  const { _rev, ...rest } = doc;
  void _rev;
  return rest;
}

/** For today's apps a document that is gone already was removed. */
function unlessGone(cause: unknown): void {
  if (!(cause instanceof SecondError && cause.code === "not_found")) throw cause;
}

/** The first snapshot that says something: documents, or why there are none. */
function settledSnapshot<S extends { status: string; error: SecondError | null }>(
  subscribe: (o: { next(s: S): void }) => () => void,
  getSnapshot: () => S,
): Promise<S> {
  return new Promise((resolve, reject) => {
    let stop: (() => void) | undefined;
    const done = (): void => {
      clearTimeout(late);
      setTimeout(() => stop?.(), 0); // whoever follows now has subscribed by then
    };
    const late = setTimeout(() => {
      done();
      reject(new SecondError("timeout", "the gateway did not answer in time", true));
    }, patience);
    const look = (s: S): void => {
      if (s.status === "loading") return;
      done();
      if (s.status === "error" && s.error) reject(s.error);
      else resolve(s);
    };
    stop = subscribe({ next: look });
    look(getSnapshot());
  });
}
