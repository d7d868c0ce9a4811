import type { Agent, RunEnd } from "./agents.js";
import { App } from "./app.js";
import type { View } from "./view.js";
import type { Doc, DocSnapshot, Observer, Operation, Options, Snapshot } from "./types.js";

export type { Agent, RunEnd } from "./agents.js";
export { SecondError } from "./error.js";
export type { Message } from "./wire.js";
export type { Doc, DocSnapshot, Observer, Operation, Options, Snapshot, Status } from "./types.js";

/** A live collection. Its functions can be passed around: they need no `this`. */
export interface Collection<T> {
  /** Tells the observer the snapshot of now, and each later one. It returns the function that ends it. */
  subscribe(observer: Observer<Snapshot<T>>): () => void;
  getSnapshot(): Snapshot<T>;
  insert(data: T): Promise<Doc<T>>;
  /** Replaces the named fields. With paths a name with dots leads to a nested field. */
  update(docId: string, data: Partial<T>, options?: { paths?: boolean }): Promise<Doc<T>>;
  remove(docId: string): Promise<void>;
  /** Updates the document with this id, or the newest with these values, or makes one. */
  upsert(by: string | Partial<T>, data: Partial<T>): Promise<Doc<T>>;
}

/** A live document. */
export interface Document<T> {
  subscribe(observer: Observer<DocSnapshot<T>>): () => void;
  getSnapshot(): DocSnapshot<T>;
  update(data: Partial<T>): Promise<Doc<T>>;
  remove(): Promise<void>;
}

/** An app's data. */
export interface Second {
  collection<T = Record<string, unknown>>(name: string): Collection<T>;
  doc<T = Record<string, unknown>>(collection: string, docId: string): Document<T>;
  /** Carries out all operations or none. */
  batch(operations: Operation[]): Promise<void>;
  /** The agents that the app may have work. */
  agents(): Promise<readonly Agent[]>;
  /** Has an agent work. ended is called once, after the promise has resolved with the run's id. */
  trigger(agentId: string, prompt: string, ended?: (end: RunEnd) => void): Promise<string>;
  /** Goes offline: what is shown is stale, and writes wait. */
  pause(): void;
  /** Goes online again. */
  resume(): void;
  close(): void;
}

/** Connects to an app's data. It connects at once, and again whenever the connection is lost. */
export function connect(options: Options): Second {
  const app = new App(options);
  return {
    collection: <T>(name: string) => collection<T>(app, name),
    doc: <T>(name: string, docId: string) => document<T>(app, name, docId),
    batch: async (operations) => void (await app.batch(operations)),
    agents: () => app.agents.list(),
    trigger: (agentId, prompt, done = () => undefined) => app.agents.trigger(agentId, prompt, done),
    pause: () => app.pause(),
    resume: () => app.resume(),
    close: () => app.close(),
  };
}

function collection<T>(app: App, name: string): Collection<T> {
  type Any = Record<string, unknown>;
  const view = (): View => app.view(name, null);
  return {
    subscribe: (observer) => view().subscribe(observer as Observer<Snapshot<Any>>),
    getSnapshot: () => view().getSnapshot() as Snapshot<T>,
    insert: (data) => app.insert(name, data as Any) as Promise<Doc<T>>,
    update: (docId, data, o) => app.update(name, docId, data as Any, o?.paths) as Promise<Doc<T>>,
    remove: (docId) => app.remove(name, docId),
    upsert: (by, data) => app.upsert(name, by as string | Any, data as Any) as Promise<Doc<T>>,
  };
}

function document<T>(app: App, name: string, docId: string): Document<T> {
  type Any = Record<string, unknown>;
  let of: Snapshot<Any> | null = null;
  let snapshot: DocSnapshot<T> | null = null;
  const getSnapshot = (): DocSnapshot<T> => {
    const s = app.view(name, docId).getSnapshot();
    if (s !== of || !snapshot) {
      of = s;
      snapshot = { ...s, data: (s.data[0] ?? null) as Doc<T> | null };
    }
    return snapshot;
  };
  return {
    subscribe: (observer) => app.view(name, docId).subscribe({
      next: () => observer.next(getSnapshot()),
      error: (error) => observer.error?.(error),
    }),
    getSnapshot,
    update: (data) => app.update(name, docId, data as Any) as Promise<Doc<T>>,
    remove: () => app.remove(name, docId),
  };
}
