import { SecondError } from "@secondgate/core/error";
import { Link } from "./link.js";
import type { HostMessage } from "./window.js";

export type Doc<T = Record<string, unknown>> = T & { _id: string };

export type Status = "loading" | "live" | "stale" | "error";

/** What a collection or document is at one moment. It is the same object until something changes. */
export interface Snapshot {
  data: Doc[];
  status: Status;
  error: SecondError | null;
  pending: number;
}

/** One change of a document: insert and update mean "is now this". */
export interface Change {
  operation: "insert" | "update" | "delete";
  docId?: string;
  doc?: Doc;
}

const readPatience = 10_000; // until what cannot be read is an error
const lingerTime = 1_000; // what is left and entered at once, as React does, is the same
const askAgain = 2_000; // a page that listened too late has not heard

const nothing: Snapshot = { data: [], status: "loading", error: null, pending: 0 };

/** A collection, or one document of it, as the page around the app tells it. All hooks of one share it. */
export class Entry {
  readonly collection: string;
  readonly docId: string | null;
  private readonly store: Store;
  private readonly observers = new Set<() => void>();
  private snapshot = nothing;
  private leaving: ReturnType<typeof setTimeout> | undefined;
  private asking: ReturnType<typeof setTimeout> | undefined;
  followed = false;

  constructor(store: Store, collection: string, docId: string | null) {
    this.store = store;
    this.collection = collection;
    this.docId = docId;
  }

  readonly getSnapshot = (): Snapshot => this.snapshot;

  readonly subscribe = (changed: () => void): (() => void) => {
    clearTimeout(this.leaving);
    this.observers.add(changed);
    if (!this.followed) this.follow();
    return () => {
      this.observers.delete(changed);
      if (this.observers.size === 0) this.leaving = setTimeout(() => this.leave(), lingerTime);
    };
  };

  private follow(): void {
    this.followed = true;
    this.store.register(this);
    setTimeout(() => {
      if (this.snapshot.status === "loading")
        this.fail(new SecondError("timeout", "the data could not be read in time", true));
    }, readPatience);
    this.read();
  }

  private leave(): void {
    this.followed = false;
    clearTimeout(this.asking);
    this.snapshot = nothing;
    this.store.forget(this);
  }

  /** Asks for what there is, until it is answered. */
  read(): void {
    clearTimeout(this.asking);
    if (this.store.link.mode === "asking") return; // it is read when there is a way
    const fields =
      this.docId === null
        ? { collection: this.collection }
        : { collection: this.collection, docId: this.docId };
    const asked = this.store.link.request(
      this.docId === null ? "second:data:list" : "second:data:doc",
      fields,
    );
    asked.then(
      (m) => this.answered(m),
      (error: SecondError) => this.fail(error),
    );
    if (this.store.link.mode === "window") {
      this.asking = setTimeout(() => {
        this.store.link.hello();
        this.read();
      }, askAgain);
    }
  }

  private answered(m: HostMessage): void {
    clearTimeout(this.asking);
    if (!this.followed) return;
    const docs = this.docId === null ? m["docs"] : [m["doc"]];
    const data = (Array.isArray(docs) ? docs : []).filter((doc) => doc && typeof doc === "object") as Doc[];
    this.show({ data, status: "live", error: null, pending: this.snapshot.pending });
  }

  private fail(error: SecondError): void {
    if (error.code === "closed") return; // it is read again by another way
    this.show({ ...this.snapshot, status: this.snapshot.status === "live" ? "stale" : "error", error });
  }

  /** Applies changes of this collection. All of them are shown at once. */
  apply(changes: Change[], told: Partial<Snapshot> = {}): void {
    let data = this.snapshot.data;
    for (const change of changes) data = applied(data, change, this.docId);
    this.show({ ...this.snapshot, ...told, data });
  }

  private show(next: Snapshot): void {
    const now = this.snapshot;
    if (
      next.data === now.data &&
      next.status === now.status &&
      next.error === now.error &&
      next.pending === now.pending
    )
      return;
    this.snapshot = next;
    for (const changed of [...this.observers]) changed();
  }
}

/** The documents after a change: a new one first, a known one in its place. */
function applied(data: Doc[], { operation, docId, doc }: Change, only: string | null): Doc[] {
  const id = operation === "delete" ? docId : doc?._id;
  if (id === undefined || (only !== null && id !== only)) return data;
  const at = data.findIndex((one) => one._id === id);
  if (operation === "delete") return at < 0 ? data : data.filter((one) => one._id !== id);
  if (!doc) return data;
  return at < 0 ? [doc, ...data] : data.map((one) => (one._id === id ? doc : one));
}

/** An app's data in a frame: what the hooks show, and the writes. */
export class Store {
  readonly link: Link;
  private readonly entries = new Map<string, Entry>();

  constructor() {
    this.link = new Link(
      (m) => this.heard(m),
      () => this.opened(),
    );
  }

  entry(collection: string, docId: string | null): Entry {
    return this.entries.get(keyOf(collection, docId)) ?? new Entry(this, collection, docId);
  }

  register(entry: Entry): void {
    this.entries.set(keyOf(entry.collection, entry.docId), entry);
  }

  forget(entry: Entry): void {
    this.entries.delete(keyOf(entry.collection, entry.docId));
    const { collection, docId } = entry;
    this.link.tell("second:data:unsubscribe", docId === null ? { collection } : { collection, docId });
  }

  private opened(): void {
    for (const entry of this.entries.values()) entry.read();
  }

  private heard(m: HostMessage): void {
    if (m.type === "second:data:changes") this.changes(m);
    else if (m.type === "second:data:change" && this.link.mode === "window") this.change(m);
  }

  /** A group of changes on the port: what the page has committed together comes together. */
  private changes(m: HostMessage): void {
    const entry = this.entries.get(keyOf(m["collection"] as string, (m["docId"] ?? null) as string | null));
    const error = m["error"] as { code: string; message: string; retryable: boolean } | null;
    entry?.apply(m["changes"] as Change[], {
      status: m["status"] as Status,
      pending: m["pending"] as number,
      error: error ? new SecondError(error.code, error.message, error.retryable) : null,
    });
    this.link.tell("second:data:ack", {});
  }

  private change(m: HostMessage): void {
    const any = m["operation"] === "delete" && m["collection"] === "__any__";
    for (const entry of this.entries.values()) {
      if (any || entry.collection === m["collection"]) entry.apply([m as unknown as Change]);
    }
  }

  // Writes. On a port the page shows them at once; else they are shown when they are answered.

  async insert(collection: string, data: Record<string, unknown>): Promise<Doc> {
    return this.stored(collection, await this.link.request("second:data:insert", { collection, data }));
  }

  async update(collection: string, docId: string, data: Record<string, unknown>): Promise<Doc> {
    return this.stored(
      collection,
      await this.link.request("second:data:update", { collection, docId, data }),
    );
  }

  async remove(collection: string, docId: string): Promise<void> {
    await this.link.request("second:data:delete", { collection, docId });
    this.showAnswer(collection, { operation: "delete", docId });
  }

  async upsert(
    collection: string,
    by: string | Record<string, unknown>,
    data: Record<string, unknown>,
  ): Promise<Doc> {
    const which = typeof by === "string" ? { docId: by } : { filter: by };
    return this.stored(collection, await this.newer("second:data:upsert", { collection, ...which, data }));
  }

  async batch(operations: Record<string, unknown>[]): Promise<void> {
    await this.newer("second:data:batch", { operations });
  }

  /** A request that today's pages do not know, and would never answer. */
  private async newer(type: string, fields: Record<string, unknown>): Promise<HostMessage> {
    await this.decided();
    if (this.link.mode !== "port") {
      throw new SecondError("unknown_type", `the page around the app does not know ${type}`);
    }
    return this.link.request(type, fields);
  }

  private async decided(): Promise<void> {
    while (this.link.mode === "asking") await new Promise((resolve) => setTimeout(resolve, 50));
  }

  private stored(collection: string, m: HostMessage): Doc {
    const doc = m["doc"] as Doc | null | undefined;
    if (!doc) throw new SecondError("unavailable", "the page around the app could not store this", true);
    this.showAnswer(collection, { operation: "insert", doc });
    return doc;
  }

  private showAnswer(collection: string, change: Change): void {
    if (this.link.mode !== "window") return;
    for (const entry of this.entries.values()) if (entry.collection === collection) entry.apply([change]);
  }
}

function keyOf(collection: string, docId: string | null): string {
  return docId === null ? collection : `${collection}\u0000${docId}`;
}

let only: Store | undefined;

/** The store of this document. It begins with the first hook that is shown, never at import. */
export function store(): Store {
  return (only ??= new Store());
}
