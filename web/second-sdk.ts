// Secondgate's SDK for an app in a frame. It takes the place of src/lib/second-sdk.ts and needs React 18.3 or newer.
// web/sdk.mjs makes it of web/packages: change it there.
import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from "react";

/** A failure: a code to act on, and a sentence for people. */
class SecondError extends Error {
  readonly code: string;
  /** The same request may succeed later, unchanged. */
  readonly retryable: boolean;

  constructor(code: string, message: string, retryable = false) {
    super(message);
    this.name = "SecondError";
    this.code = code;
    this.retryable = retryable;
  }
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/** A random id of 21 characters. getRandomValues exists on insecure origins too, where randomUUID does not. */
function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(21));
  let id = "";
  for (const byte of bytes) id += letters[byte % letters.length];
  return id;
}

/** A message of the page around the frame. Any field may be missing. */
interface HostMessage {
  type: string;
  [field: string]: unknown;
}

/** Calls heard with each message of the page around the frame. It returns the function that ends it. */
function hear(heard: (m: HostMessage) => void): () => void {
  const receive = (event: MessageEvent): void => {
    if (event.source === window.parent && event.data?.source === "second-platform")
      heard(event.data as HostMessage);
  };
  window.addEventListener("message", receive);
  return () => window.removeEventListener("message", receive);
}

/** Sends a message to the page around the frame. */
function say(type: string, fields: Record<string, unknown>): void {
  window.parent.postMessage({ ...fields, source: "second-app", type }, "*");
}

interface Waiting {
  resolve(m: HostMessage): void;
  reject(error: SecondError): void;
}

const helloTimes = [0, 100, 300, 600]; // when a page that may not listen yet is greeted
const helloPatience = 1_000; // after which the page is taken for one that knows no hello
const writePatience = 60_000; // for such a page, which may never answer

/**
 * The way to the page around the frame. It is a port of our own, which the page gets with a hello: nothing that is sent
 * on it reaches another document. A page that knows no hello gets messages between windows.
 */
class Link {
  mode: "asking" | "port" | "window" = "asking";
  private port: MessagePort | null = null;
  private readonly name = randomId(); // ids of an earlier document in this frame are others
  private lastId = 0;
  private readonly waiting = new Map<string, Waiting>();
  private outbox: HostMessage[] = [];
  private readonly heard: (m: HostMessage) => void;
  private readonly opened: () => void;

  /**
   * heard gets what is no answer. opened is called when there is a way, and again when there is
   * another one.
   */
  constructor(heard: (m: HostMessage) => void, opened: () => void) {
    this.heard = heard;
    this.opened = opened;
    hear((m) => {
      if (this.mode !== "port") this.receive(m);
    });
    this.ask();
  }

  /** Greets the page until it answers, for a second. */
  ask(): void {
    this.mode = "asking";
    for (const after of helloTimes) setTimeout(() => this.hello(), after);
    setTimeout(() => {
      if (this.mode === "asking") this.use("window", null);
    }, helloPatience);
  }

  /** Greets the page, unless there is a port already. */
  hello(): void {
    if (this.port || window.parent === window) return;
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = (event) => this.receiveBy(port1, event.data as HostMessage);
    window.parent.postMessage({ source: "second-app", type: "second:hello", version: 1 }, "*", [port2]);
  }

  /** Sends a request and waits for its answer. An error in the answer rejects. */
  request(type: string, fields: Record<string, unknown>): Promise<HostMessage> {
    return new Promise((resolve, reject) => {
      if (window.parent === window)
        throw new SecondError("unavailable", "there is no page around this one to ask");
      const requestId = `${this.name}-${++this.lastId}`;
      this.send({ ...fields, type, requestId }); // throws what cannot be cloned
      this.waiting.set(requestId, { resolve, reject });
    });
  }

  /** Sends a message to which no answer is awaited. It is left out where the page knows no hello. */
  tell(type: string, fields: Record<string, unknown>): void {
    if (this.port) this.port.postMessage({ ...fields, type });
  }

  private send(m: HostMessage): void {
    if (this.mode === "asking") this.outbox.push(structured(m));
    else if (this.port) this.port.postMessage(m);
    else {
      say(m.type, m);
      setTimeout(
        () => this.fail(m["requestId"] as string, "timeout", "the page around the app did not answer"),
        writePatience,
      );
    }
  }

  private use(mode: "port" | "window", port: MessagePort | null): void {
    this.mode = mode;
    this.port = port;
    for (const m of this.outbox.splice(0)) this.send(m);
    this.opened();
  }

  private receiveBy(port: MessagePort, m: HostMessage): void {
    if (m.type === "second:hello-response") {
      if (this.port) {
        port.postMessage({ type: "second:bye" });
        port.close();
      } else this.use("port", port);
    } else if (port === this.port && m.type === "second:bye") {
      this.lost();
    } else if (port === this.port) this.receive(m);
  }

  /** The page has given up the port. Another part of it may take over. */
  private lost(): void {
    this.port = null;
    for (const id of [...this.waiting.keys()])
      this.fail(id, "closed", "the page around the app has ended the connection");
    this.ask();
  }

  private fail(requestId: string, code: string, message: string): void {
    this.waiting.get(requestId)?.reject(new SecondError(code, message, true));
    this.waiting.delete(requestId);
  }

  private receive(m: HostMessage): void {
    const w = typeof m["requestId"] === "string" ? this.waiting.get(m["requestId"]) : undefined;
    if (!w) return this.heard(m);
    this.waiting.delete(m["requestId"] as string);
    const error = m["error"] as { code: string; message: string; retryable?: boolean } | undefined;
    if (error && typeof error === "object")
      w.reject(new SecondError(error.code, error.message, error.retryable));
    else w.resolve(m);
  }
}

/** Throws if a message cannot be cloned, now rather than when it is sent. */
function structured(m: HostMessage): HostMessage {
  const { port1 } = new MessageChannel();
  port1.postMessage(m);
  port1.close();
  return m;
}

type Doc<T = Record<string, unknown>> = T & { _id: string };

type Status = "loading" | "live" | "stale" | "error";

/** What a collection or document is at one moment. It is the same object until something changes. */
interface Snapshot {
  data: Doc[];
  status: Status;
  error: SecondError | null;
  pending: number;
}

/** One change of a document: insert and update mean "is now this". */
interface Change {
  operation: "insert" | "update" | "delete";
  docId?: string;
  doc?: Doc;
}

const readPatience = 10_000; // until what cannot be read is an error
const lingerTime = 1_000; // what is left and entered at once, as React does, is the same
const askAgain = 2_000; // a page that listened too late has not heard

const nothing: Snapshot = { data: [], status: "loading", error: null, pending: 0 };

/** A collection, or one document of it, as the page around the app tells it. All hooks of one share it. */
class Entry {
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
class Store {
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
function store(): Store {
  return (only ??= new Store());
}

type Data = Record<string, unknown>;

const server: Snapshot = { data: [], status: "loading", error: null, pending: 0 };
const none: Snapshot = { data: [], status: "live", error: null, pending: 0 };

interface UseCollection<T> {
  data: Doc<T>[];
  loading: boolean;
  status: Status;
  error: SecondError | null;
  /** How many of the own writes are shown that the database does not have yet. */
  pending: number;
  insert(data: T): Promise<Doc<T>>;
  update(docId: string, data: Partial<T>): Promise<Doc<T>>;
  remove(docId: string): Promise<void>;
  /** Updates the document with this id, or the one with these values, or makes one. */
  upsert(by: string | Partial<T>, data: Partial<T>): Promise<Doc<T>>;
  /** All operations or none. */
  batch(operations: Data[]): Promise<void>;
}

/** A live collection, the newest first. The functions keep their identity. */
export function useCollection<T extends object = Data>(collectionName: string): UseCollection<T> {
  const name = useRef(collectionName);
  name.current = collectionName;
  const entry = useEntry(collectionName, null);
  const insert = useCallback((data: T) => store().insert(name.current, data as Data) as Promise<Doc<T>>, []);
  const update = useCallback(
    (docId: string, data: Partial<T>) => store().update(name.current, docId, data as Data) as Promise<Doc<T>>,
    [],
  );
  const remove = useCallback((docId: string) => store().remove(name.current, docId), []);
  const upsert = useCallback(
    (by: string | Partial<T>, data: Partial<T>) =>
      store().upsert(name.current, by as string | Data, data as Data) as Promise<Doc<T>>,
    [],
  );
  const batch = useCallback((operations: Data[]) => store().batch(operations), []);
  return {
    ...entry,
    data: entry.data as Doc<T>[],
    loading: entry.status === "loading",
    insert,
    update,
    remove,
    upsert,
    batch,
  };
}

interface UseDoc<T> {
  data: Doc<T> | null;
  loading: boolean;
  status: Status;
  error: SecondError | null;
  pending: number;
  update(data: Partial<T>): Promise<Doc<T>>;
  remove(): Promise<void>;
}

/** A live document; null where there is none, and where docId is null. */
export function useDoc<T extends object = Data>(collectionName: string, docId: string | null): UseDoc<T> {
  const which = useRef({ collectionName, docId });
  which.current = { collectionName, docId };
  const entry = useEntry(collectionName, docId ?? "");
  const update = useCallback((data: Partial<T>) => {
    const of = which.current;
    if (!of.docId) return Promise.reject(new SecondError("invalid_id", "there is no document to update"));
    return store().update(of.collectionName, of.docId, data as Data) as Promise<Doc<T>>;
  }, []);
  const remove = useCallback(() => {
    const of = which.current;
    return of.docId ? store().remove(of.collectionName, of.docId) : Promise.resolve();
  }, []);
  return {
    ...entry,
    data: (entry.data[0] ?? null) as Doc<T> | null,
    loading: entry.status === "loading",
    update,
    remove,
  };
}

/** What a collection is now (docId is null), or one document of it; an empty docId is no document. */
function useEntry(collection: string, docId: string | null): Snapshot {
  const subscribe = useCallback(
    (changed: () => void) =>
      docId === "" ? () => undefined : store().entry(collection, docId).subscribe(changed),
    [collection, docId],
  );
  const snapshot = useCallback(
    () => (docId === "" ? none : store().entry(collection, docId).getSnapshot()),
    [collection, docId],
  );
  return useSyncExternalStore(subscribe, snapshot, () => (docId === "" ? none : server));
}

interface UseAgent {
  trigger(prompt: string): Promise<string>;
  status: "idle" | "running" | "completed" | "failed";
  error: string | null;
  isRunning: boolean;
  runId: string | null;
}

type Run = Pick<UseAgent, "status" | "error" | "runId">;

const endPatience = 2_000; // how long an end waits for the start that it belongs to

/** The triggers whose start is not known yet, oldest first. */
const starting: { requestId: string; agentId: string; started(runId: string): void }[] = [];

/** Ends that came before their run's start. */
const early: HostMessage[] = [];

/** Has an agent work, and tells what becomes of the run that this hook has triggered. */
export function useAgent(agentId: string): UseAgent {
  const [run, setRun] = useState<Run>({ status: "idle", error: null, runId: null });
  const current = useRef<string | null>(null);

  const end = useCallback((m: HostMessage) => {
    const failed = m["status"] === "failed";
    const error = failed ? String(m["error"] ?? "the agent's run has failed") : null;
    setRun({ status: failed ? "failed" : "completed", error, runId: m["runId"] as string });
  }, []);

  useEffect(
    () =>
      hear((m) => {
        if (m.type === "second:agent:update" && m["runId"] && m["runId"] === current.current) end(m);
      }),
    [end],
  );

  const trigger = useCallback(
    (prompt: string) =>
      new Promise<string>((resolve) => {
        const requestId = randomId();
        const started = (runId: string): void => {
          starting.splice(
            starting.findIndex((one) => one.requestId === requestId),
            1,
          );
          current.current = runId;
          setRun({ status: "running", error: null, runId });
          const ended = early.findIndex((m) => m["runId"] === runId);
          if (ended >= 0) end(early.splice(ended, 1)[0] as HostMessage);
          resolve(runId);
        };
        starting.push({ requestId, agentId, started });
        listenForStarts();
        say("second:agent:trigger", { requestId, agentId, prompt });
      }),
    [agentId, end],
  );

  return { ...run, trigger, isRunning: run.status === "running" };
}

let listening = false;

/** Matches starts and early ends with the triggers of all hooks. */
function listenForStarts(): void {
  if (listening) return;
  listening = true;
  hear((m) => {
    if (m.type === "second:agent:triggered") {
      starting.find((one) => one.requestId === m["requestId"])?.started(String(m["runId"]));
    } else if (m.type === "second:agent:update" && starting.some((one) => one.agentId === m["agentId"])) {
      early.push(m["runId"] ? m : { ...m, runId: `failed-${randomId()}` });
      setTimeout(() => adopt(m["agentId"]), endPatience);
    }
  });
}

/** An end without a start, as pages send it for a run that could not start, is that of the oldest trigger. */
function adopt(agentId: unknown): void {
  const end = early.find((m) => m["agentId"] === agentId);
  const waits = starting.find((one) => one.agentId === agentId);
  if (end && waits) waits.started(String(end["runId"]));
  else if (end) early.splice(early.indexOf(end), 1);
}

interface AgentInfo {
  id: string;
  name: string;
  description: string;
}

const listTimes = [0, 1_000, 3_000, 7_000]; // when a page that may not listen yet is asked

/** The agents that the app may trigger. */
export function useAgentList(): { agents: AgentInfo[] } {
  const [agents, setAgents] = useState<AgentInfo[]>([]);
  useEffect(() => {
    let answered = false;
    const timers = listTimes.map((after) =>
      setTimeout(() => {
        if (!answered) say("second:agents:list-request", {});
      }, after),
    );
    const stop = hear((m) => {
      if (m.type !== "second:agents:list" || !Array.isArray(m["agents"])) return;
      answered = true;
      setAgents(m["agents"] as AgentInfo[]);
    });
    return () => {
      timers.forEach(clearTimeout);
      stop();
    };
  }, []);
  return { agents };
}

/** What an integration's tool answers. A failure is a result too: nothing is thrown. */
export interface IntegrationToolResult<TData = unknown> {
  success: boolean;
  mock: boolean;
  data?: TData;
  mockReason?: string;
  statusCode?: number;
  error?: string;
  errorCode?: string;
  errorCategory?: string;
  resolution?: string;
  retryable?: boolean;
  canRequestBuilderRepair?: boolean;
  details?: unknown;
}

export interface IntegrationToolFailureReportResult {
  ok: boolean;
  status?: number | string;
  builderRunId?: string;
  appendedToExisting?: boolean;
  error?: string;
}

const executeTime = 35_000;
const reportTime = 15_000;

/** Asks the page around the frame; null if it does not answer in time. */
function ask(type: string, fields: Record<string, unknown>, patience: number): Promise<HostMessage | null> {
  return new Promise((resolve) => {
    const requestId = randomId();
    const done = (m: HostMessage | null): void => {
      clearTimeout(late);
      stop();
      resolve(m);
    };
    const late = setTimeout(() => done(null), patience);
    const stop = hear((m) => {
      if (m.type === `${type}-response` && m["requestId"] === requestId) done(m);
    });
    try {
      say(type, { ...fields, requestId });
    } catch (cause) {
      // what cannot be cloned
      done({ type, success: false, mock: false, ok: false, error: String(cause) });
    }
  });
}

const late = (type: string): string => `Timed out waiting for ${type}-response`;

/** Has an integration's tool work. It never rejects. */
export async function callIntegrationTool<TInput = unknown, TData = unknown>(
  toolName: string,
  input: TInput,
): Promise<IntegrationToolResult<TData>> {
  const type = "second:integration:execute";
  const m = await ask(type, { toolName, input }, executeTime);
  if (!m) return { success: false, mock: false, error: late(type) };
  const { type: _type, source: _source, requestId: _requestId, toolName: _toolName, ...result } = m;
  return {
    ...result,
    success: m["success"] === true,
    mock: m["mock"] === true,
  } as IntegrationToolResult<TData>;
}

/** Tells whoever builds the app that a tool has failed. It never rejects. */
export async function reportIntegrationToolFailure<TInput = unknown, TData = unknown>(
  toolName: string,
  input: TInput,
  result: IntegrationToolResult<TData>,
  description: string,
  attemptedTask?: string,
): Promise<IntegrationToolFailureReportResult> {
  const type = "second:integration:report-failure";
  const m = await ask(type, { toolName, input, result, description, attemptedTask }, reportTime);
  if (!m) return { ok: false, error: late(type) };
  const { type: _type, source: _source, requestId: _requestId, ...answer } = m;
  return { ...answer, ok: m["ok"] === true };
}

/** A sentence for people about a tool that has failed. */
export function formatIntegrationToolError(
  result: Pick<IntegrationToolResult, "error" | "statusCode" | "resolution" | "retryable">,
  fallback = "The integration could not be reached.",
): string {
  const sentences = [result.error?.trim() || fallback];
  if (result.statusCode) sentences[0] += ` (HTTP ${result.statusCode})`;
  if (result.resolution) sentences.push(result.resolution);
  else if (result.retryable) sentences.push("Try again in a moment.");
  return sentences.join(" ");
}

interface UseIntegrationTool<TInput, TData> {
  execute(input: TInput): Promise<IntegrationToolResult<TData>>;
  loading: boolean;
  error: string | null;
}

/** An integration's tool, and whether it works or has failed. */
export function useIntegrationTool<TInput = unknown, TData = unknown>(
  toolName: string,
): UseIntegrationTool<TInput, TData> {
  const [state, setState] = useState<{ loading: boolean; error: string | null }>({
    loading: false,
    error: null,
  });
  const execute = useCallback(
    async (input: TInput) => {
      setState({ loading: true, error: null });
      const result = await callIntegrationTool<TInput, TData>(toolName, input);
      setState({ loading: false, error: result.success ? null : formatIntegrationToolError(result) });
      return result;
    },
    [toolName],
  );
  return { execute, ...state };
}
