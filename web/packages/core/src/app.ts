import { Agents } from "./agents.js";
import { Backoff } from "./backoff.js";
import { Connection } from "./connection.js";
import type { Change } from "./copy.js";
import { SecondError } from "./error.js";
import { randomId } from "./ids.js";
import { normalised } from "./json.js";
import type { Layer } from "./layers.js";
import { Subscription } from "./subscription.js";
import type { Doc, Operation, Options } from "./types.js";
import { View } from "./view.js";
import type { Write } from "./write.js";
import { errorOf, type Message, type Request } from "./wire.js";

type AnyDoc = Doc<Record<string, unknown>>;

const patience = 10_000; // until what cannot be read is an error

/** One app's data: a connection, what is followed on it, and the own writes that are under way. */
export class App {
  readonly agents: Agents;
  private readonly connection: Connection;
  private readonly views = new Map<string, View>();
  private writes: Write[] = [];
  private readonly retries = new Backoff(100, 5_000);
  private error: SecondError | null = null;
  private readonly timers = new Set<ReturnType<typeof setTimeout>>();
  private closed = false;

  constructor(options: Options) {
    this.agents = new Agents((request) => this.connection.send(request));
    this.connection = new Connection(options, {
      opened: () => this.opened(),
      message: (m) => this.message(m),
      lost: (error) => this.lost(error),
    });
  }

  /** The view of a collection, or of one document of it. There is one of each. */
  view(collection: string, docId: string | null): View {
    const key = docId === null ? collection : `${collection}\u0000${docId}`;
    let view = this.views.get(key);
    if (!view) {
      view = new View(new Subscription(collection, docId), () => this.writes, {
        follow: () => this.follow(key),
        leave: () => this.leave(key),
      });
      this.views.set(key, view);
    }
    return view;
  }

  pause(): void {
    this.connection.pause();
  }

  resume(): void {
    this.connection.resume();
  }

  /** Ends the connection. Writes that are not answered, and later ones, are rejected with `closed`. */
  close(): void {
    this.closed = true;
    this.connection.close();
    for (const timer of this.timers) clearTimeout(timer);
    this.timers.clear();
    this.agents.close(ended());
    for (const w of this.writes) w.reject(ended());
    this.writes = [];
  }

  // Following.

  private follow(key: string): void {
    const view = this.views.get(key);
    if (!view) return;
    this.later(patience, () => view.tooLong(this.error ?? unreachable));
    if (this.connection.connected) this.subscribe(view.subscription);
  }

  private leave(key: string): void {
    const view = this.views.get(key);
    if (!view || view.watched) return;
    this.views.delete(key);
    const { collection, docId } = view.subscription;
    this.connection.send({ type: "second:data:unsubscribe", collection, ...(docId === null ? {} : { docId }) });
  }

  private subscribe(s: Subscription): void {
    s.restart();
    s.request = this.connection.send({
      type: "second:data:subscribe", collection: s.collection,
      ...(s.docId === null ? {} : { docId: s.docId }), ...(s.cursor ? { cursor: s.cursor } : {}),
    });
  }

  private *subscriptions(): Iterable<Subscription> {
    for (const view of this.views.values()) yield view.subscription;
  }

  // The connection.

  private opened(): void {
    this.error = null;
    for (const s of this.subscriptions()) this.subscribe(s);
    for (const w of this.writes) {
      w.before = w.answered;
      if (!w.answered) this.sendWrite(w);
    }
    this.agents.opened();
  }

  private lost(error: SecondError | null): void {
    this.error = error;
    for (const s of this.subscriptions()) s.restart();
    for (const w of this.writes) w.sent = null;
    for (const view of this.views.values()) view.lost(error);
  }

  private message(m: Message): void {
    switch (m.type) {
      case "second:data:change":
        for (const s of this.subscriptions()) s.change(m as unknown as Change);
        return;
      case "second:data:bookmark":
        return this.bookmark(m.cursor ?? "");
      case "second:data:settled":
        return this.settled(m.requestId ?? "");
      case "second:data:reset":
        return this.reset(m);
      case "second:data:subscribe-response":
      case "second:data:list-response":
        return this.page(m);
      case "second:auth:refresh-response":
        return this.connection.refreshed(m);
      default:
        if (!this.agents.message(m)) this.answer(m);
    }
  }

  private page(m: Message): void {
    const s = [...this.subscriptions()].find((one) => one.request === m.requestId);
    if (!s) return; // of a request that a reset or a new connection made void
    s.request = null;
    const error = errorOf(m);
    if (error) {
      this.refused(s, error);
      return;
    }
    s.error = null;
    if (m.resumed) {
      s.resumed();
      return;
    }
    s.page(m, m.type === "second:data:subscribe-response" || s.listing);
    s.listing = false;
    if (m.next) {
      s.request = this.connection.send({ type: "second:data:list", collection: s.collection, after: m.next });
    }
  }

  /** A read that was refused: for good, or to be asked again. */
  private refused(s: Subscription, error: SecondError): void {
    s.error = error;
    if (error.retryable) this.later(this.retries.next(), () => this.listAgain(s));
    this.viewOf(s)?.refresh(null);
  }

  private viewOf(s: Subscription): View | undefined {
    return [...this.views.values()].find((view) => view.subscription === s);
  }

  private reset(m: Message): void {
    for (const s of this.subscriptions()) {
      if (m.collections && !m.collections.includes(s.collection)) continue;
      s.reset();
      this.viewOf(s)?.refresh(null);
      this.later(Math.random() * (m.spreadMs ?? 0), () => this.listAgain(s));
    }
  }

  /** Reads a copy anew. The gateway follows it still. */
  private listAgain(s: Subscription): void {
    if (s.request !== null || !this.connection.connected) return; // it is being read, or will be
    if (s.docId === null) {
      s.listing = true;
      s.request = this.connection.send({ type: "second:data:list", collection: s.collection });
      return;
    }
    this.subscribe(s);
  }

  private later(wait: number, act: () => void): void {
    if (this.closed) return;
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      act();
    }, wait);
    this.timers.add(timer);
  }

  private bookmark(cursor: string): void {
    const changes = new Map<View, Set<string> | null>();
    for (const view of this.views.values()) changes.set(view, view.subscription.bookmark(cursor));
    const told = this.writes.filter((w) => w.before && this.isCurrent(w));
    if (told.length > 0) this.writes = this.writes.filter((w) => !told.includes(w));
    for (const [view, changed] of changes) view.refresh(told.length > 0 ? null : changed);
  }

  /** Whether all that shows a write's documents is of this connection. */
  private isCurrent(w: Write): boolean {
    for (const s of this.subscriptions()) {
      if (w.layers.some((l) => s.follows(l.collection, l.docId)) && !s.current) return false;
    }
    return true;
  }

  // Writes.

  /** Sends a write until it is answered. What it makes of documents is shown at once. */
  write(request: Request, layers: Layer[]): Promise<Message> {
    if (this.closed) return Promise.reject(ended());
    return new Promise((resolve, reject) => {
      const w: Write = {
        request: { ...request, mutationId: randomId() }, layers, sent: null, answered: false, before: false, resolve, reject,
      };
      this.writes.push(w);
      this.show(w);
      this.sendWrite(w);
    });
  }

  private sendWrite(w: Write): void {
    w.sent = this.connection.send(w.request);
  }

  private answer(m: Message): void {
    const w = this.writes.find((one) => one.sent !== null && one.sent === m.requestId && !one.answered);
    if (!w) return;
    const error = errorOf(m);
    if (error?.retryable) {
      w.sent = null;
      this.later(this.retries.next(), () => {
        if (w.sent === null && !w.answered && this.writes.includes(w)) this.sendWrite(w);
      });
      return;
    }
    if (error) {
      this.drop(w);
      w.reject(error);
      return;
    }
    this.retries.reset();
    w.answered = true;
    w.layers = withAnswer(w.layers, m);
    if (!this.isFollowed(w)) this.drop(w);
    else this.show(w);
    w.resolve(m);
  }

  private isFollowed(w: Write): boolean {
    for (const s of this.subscriptions()) {
      if (s.answered && w.layers.some((l) => s.follows(l.collection, l.docId))) return true;
    }
    return false;
  }

  /** The write's changes and their bookmark are here. */
  private settled(requestId: string): void {
    const w = this.writes.find((one) => one.sent === requestId && one.answered);
    if (w) this.drop(w);
  }

  private drop(w: Write): void {
    this.writes = this.writes.filter((one) => one !== w);
    this.show(w);
  }

  private show(w: Write): void {
    for (const view of this.views.values()) {
      const ids = w.layers.filter((l) => view.subscription.follows(l.collection, l.docId)).map((l) => l.docId);
      if (ids.length > 0) view.refresh(new Set(ids));
    }
  }

  async insert(collection: string, data: Record<string, unknown>): Promise<AnyDoc> {
    const clean = normalised(data);
    const docId = randomId();
    delete clean["_id"];
    const m = await this.write(
      { type: "second:data:insert", collection, docId, data: clean },
      [{ collection, docId, data: clean, makes: true }]);
    return m.doc ?? { ...clean, _id: docId };
  }

  /** With paths a name with dots leads to a nested field. Such a change is shown once the gateway has told of it. */
  async update(collection: string, docId: string, data: Record<string, unknown>, paths = false): Promise<AnyDoc> {
    const clean = withoutId(normalised(data));
    const nested = paths && Object.keys(clean).some((name) => name.includes("."));
    const m = await this.write(
      { type: "second:data:update", collection, docId, data: clean, ...(paths ? { paths } : {}) },
      nested ? [] : [{ collection, docId, data: clean, makes: false }]);
    return m.doc as AnyDoc;
  }

  async remove(collection: string, docId: string): Promise<void> {
    await this.write({ type: "second:data:delete", collection, docId }, [{ collection, docId, data: null, makes: false }]);
  }

  /** An upsert by fields is shown at once where a document with them is known. */
  async upsert(
    collection: string, by: string | Record<string, unknown>, data: Record<string, unknown>,
  ): Promise<AnyDoc> {
    const clean = withoutId(normalised(data));
    if (typeof by === "string") {
      const m = await this.write(
        { type: "second:data:upsert", collection, docId: by, data: clean },
        [{ collection, docId: by, data: clean, makes: true }]);
      return m.doc as AnyDoc;
    }
    const filter = normalised(by);
    const known = this.views.get(collection)?.find(filter);
    const layers = known ? [{ collection, docId: known, data: clean, makes: false }] : [];
    const m = await this.write({ type: "second:data:upsert", collection, filter, data: clean }, layers);
    return m.doc as AnyDoc;
  }

  /** All or nothing. */
  async batch(operations: Operation[]): Promise<Message[]> {
    const clean = operations.map((o) => ("data" in o ? { ...o, data: withoutId(normalised(o.data)) } : o));
    const layers: Layer[] = [];
    for (const o of clean) {
      if (o.operation === "insert") o.docId ??= randomId();
      if (!o.docId) continue;
      const data = o.operation === "delete" ? null : o.data;
      layers.push({ collection: o.collection, docId: o.docId, data, makes: o.operation === "insert" || o.operation === "upsert" });
    }
    const m = await this.write({ type: "second:data:batch", operations: clean }, layers);
    return m.results ?? [];
  }
}

const ended = () => new SecondError("closed", "the connection was closed before the write was answered", true);

const unreachable = new SecondError("unavailable", "the gateway cannot be reached; it is tried again", true);

function withoutId<T extends Record<string, unknown>>(data: T): T {
  delete (data as Record<string, unknown>)["_id"];
  return data;
}

/** What is shown once the gateway has answered is what it has stored. */
function withAnswer(layers: Layer[], m: Message): Layer[] {
  if (layers.length !== 1 || !m.doc || !layers[0]) return layers;
  return [{ ...layers[0], data: m.doc, docId: m.doc._id, makes: true }];
}
