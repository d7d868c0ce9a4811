import { blocksOf, type Block } from "./blocks.js";
import { same } from "./json.js";
import { isSeen, keyOf, RestWrites, see, type Sent, type Written } from "./rest.js";
import type { Doc } from "./types.js";
import type { Message, Request } from "./wire.js";

type Docs = Map<string, Doc>;

/** What is followed: a collection, or one document of it. */
interface Followed {
  collection: string;
  docId: string | null;
  /** What the page has been told; null before the first answer. */
  docs: Docs | null;
  requestIds: string[];
}

const listTime = 8_000; // a stream without a cursor begins 10 s ago: lists must not be older
const heartbeat = 30_000;

/** How the stream's requests are made. */
export interface StreamOptions {
  /** The address of the app's data. */
  base: string;
  version: string;
  token?: () => string | Promise<string>;
}

/**
 * What a socket with changes=none does, by REST and one event stream, for networks that let no socket through. The lists
 * are read first, then a stream is opened without a cursor: it begins before the lists, and its first id after the
 * changes since then is a state that all of them are exact at. Whatever is followed later begins anew in the same way.
 */
export class StreamSocket {
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  private readonly options: StreamOptions;
  private readonly followed = new Map<string, Followed>();
  private sent: Sent[] = [];
  private readonly over = new AbortController();
  private round: AbortController | null = null;
  private starting: ReturnType<typeof setTimeout> | undefined;
  private cursor = "";
  private readonly writes: RestWrites;
  private waiting: (() => void)[] = [];
  private changed = false; // since the last bookmark

  constructor(options: StreamOptions) {
    this.options = options;
    this.writes = new RestWrites({
      post: (path, body) => this.post(path, body),
      whenFollowed: () => this.whenFollowed(),
      answered: (answer, sent) => this.answered(answer, sent),
      ended: () => this.over.signal.aborted,
    });
    setTimeout(() => this.tell({ type: "second:data:welcome", heartbeatMs: heartbeat }), 0);
  }

  send(text: string): void {
    const request = JSON.parse(text) as Request & { requestId: string };
    const { type, requestId, collection = "", docId } = request;
    const key = keyOf(collection, docId ?? null);
    if (type === "second:data:subscribe" || type === "second:data:list") {
      const f = this.followed.get(key) ?? { collection, docId: docId ?? null, docs: null, requestIds: [] };
      f.docs = null;
      f.requestIds.push(requestId);
      this.followed.set(key, f);
      this.begin();
    } else if (type === "second:data:unsubscribe") this.followed.delete(key);
    else this.writes.send(request);
  }

  close(): void {
    this.onmessage = this.onclose = null;
    clearTimeout(this.starting);
    this.over.abort();
    this.round?.abort();
  }

  private tell(m: Message): void {
    this.onmessage?.({ data: JSON.stringify(m) });
  }

  private fail(code = 1006): void {
    const { onclose } = this;
    this.close();
    onclose?.({ code });
  }

  // Reading.

  /** Begins anew, once for all that is asked for at the same time. */
  private begin(): void {
    clearTimeout(this.starting);
    this.starting = setTimeout(() => {
      this.round?.abort();
      const round = (this.round = new AbortController());
      const ended = (): void => {
        if (!round.signal.aborted) this.fail();
      };
      this.follow(round.signal).then(ended, ended);
    }, 5);
  }

  /** A stream that was reset begins anew. */
  private again(): Promise<void> {
    this.begin();
    return new Promise(() => undefined); // begin ends this round
  }

  /** Reads the lists and then the stream, until it ends. */
  private async follow(signal: AbortSignal): Promise<void> {
    const began = performance.now();
    const older = [...this.sent]; // what the lists have
    const lists = new Map<Followed, Docs>();
    await Promise.all([...this.followed.values()].map(async (f) => lists.set(f, await this.read(f, signal))));
    const stream = await this.fetch(`/stream?${this.options.version}&rev=1`, { signal });
    if (!stream.ok || !stream.body) throw new Error(`the stream is refused with ${stream.status}`);
    if (performance.now() - began > listTime) {
      await stream.body.cancel();
      return this.follow(signal);
    }
    let ids = 0; // the first is where the stream begins
    for await (const block of blocksOf(stream.body)) {
      if (signal.aborted) return;
      if (block.event === "unauthorized") return this.fail(4401);
      if (block.event === "reset") {
        if (ids === 2) {
          return this.again();
        }
        for (const docs of lists.values()) docs.clear(); // all documents come again, and then an id
        ids = 1;
      }
      if (ids < 2 && (ids = this.prepare(lists, block, ids)) === 2) {
        for (const w of older.flatMap((sent) => sent.written)) w.seen = true;
        this.bookmark(block.id);
        for (const resolve of this.waiting.splice(0)) resolve();
      } else if (ids === 2) this.live(block);
    }
  }

  /**
   * Applies a block to lists that are not exact yet. It returns how many ids have come, and tells
   * the lists at the second.
   */
  private prepare(lists: Map<Followed, Docs>, block: Block, ids: number): number {
    if (block.data && block.event === "")
      for (const [f, docs] of lists) applyTo(f, docs, JSON.parse(block.data));
    if (block.id === "" || block.id === "reset") return ids;
    if (ids === 0 || block.data) return Math.max(ids, 1);
    for (const [f, docs] of lists) this.tellList(f, docs);
    return 2;
  }

  private live({ event, data, id }: Block): void {
    if (data && event === "") {
      const change = JSON.parse(data) as Event;
      const docId = change.docId ?? change.doc?._id ?? "";
      for (const f of this.followed.values()) if (f.docs) applyTo(f, f.docs, change);
      for (const w of this.awaited()) {
        if (w.collection === change.collection && w.docId === docId) see(w, change.doc ?? null);
      }
      this.changed = true;
      this.tell({
        type: "second:data:change",
        operation: change.type,
        collection: change.collection,
        docId,
        doc: change.doc,
      });
    }
    if (id === "" || data) return;
    if (!this.changed) {
      for (const { written, at } of this.sent) {
        if (performance.now() - at > listTime) for (const w of written) w.seen = true; // nothing more comes
      }
    }
    this.changed = false;
    this.bookmark(id);
  }

  private tellList(f: Followed, docs: Docs): void {
    const { collection } = f;
    for (const requestId of f.requestIds.splice(0)) {
      this.tell({
        type: "second:data:subscribe-response",
        requestId,
        collection,
        resumed: false,
        docs: [...docs.values()],
      });
    }
    for (const [docId, doc] of docs) {
      if (f.docs && !same(f.docs.get(docId), doc))
        this.tell({ type: "second:data:change", operation: "update", collection, docId, doc });
    }
    for (const docId of f.docs?.keys() ?? []) {
      if (!docs.has(docId)) this.tell({ type: "second:data:change", operation: "delete", collection, docId });
    }
    f.docs = docs;
    for (const w of this.awaited()) if (follows(f, w.collection, w.docId)) see(w, docs.get(w.docId) ?? null);
  }

  private bookmark(cursor: string): void {
    this.cursor = cursor;
    this.tell({ type: "second:data:bookmark", cursor });
    for (const { requestId } of this.sent.filter(isSeen))
      this.tell({ type: "second:data:settled", requestId });
    this.sent = this.sent.filter((sent) => !isSeen(sent));
  }

  /** What was written, over all writes that are not settled. */
  private awaited(): Written[] {
    return this.sent.flatMap((sent) => sent.written);
  }

  private async read(f: Followed, signal: AbortSignal): Promise<Docs> {
    const path = f.docId === null ? "" : `/${encodeURIComponent(f.docId)}`;
    const query = `${this.options.version}&rev=1&collection=${encodeURIComponent(f.collection)}`;
    const answer = await this.fetch(`${path}?${query}`, { signal });
    const body = (await answer.json()) as { docs?: Doc[]; doc?: Doc };
    if (!answer.ok && !(f.docId !== null && answer.status === 404))
      throw new Error(`the list is refused with ${answer.status}`);
    return new Map((body.docs ?? (body.doc ? [body.doc] : [])).map((doc) => [doc._id, doc]));
  }

  // Writing.

  private whenFollowed(): Promise<void> {
    if ([...this.followed.values()].every((f) => f.docs)) return Promise.resolve();
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  /** Passes an answer on, and notes a write whose changes are awaited, unless they are here. */
  private answered(answer: Message, sent: Sent | null): void {
    this.tell(answer);
    if (!sent?.written.some((w) => this.whoFollows(w).length > 0)) return; // nobody waits for it
    for (const w of sent.written) {
      const of = this.whoFollows(w);
      if (of.every((f) => f.docs)) see(w, of[0]?.docs?.get(w.docId) ?? null);
      w.seen ||= of.length === 0;
    }
    this.sent.push(sent);
    if (isSeen(sent) && !this.changed && this.cursor) this.bookmark(this.cursor);
  }

  private whoFollows(w: Written): Followed[] {
    return [...this.followed.values()].filter((f) => follows(f, w.collection, w.docId));
  }

  private post(path: string, body: string): Promise<Response> {
    const headers = { "Content-Type": "application/json" };
    const init = { method: "POST", headers, body, signal: this.over.signal };
    return this.fetch(`${path}?${this.options.version}`, init);
  }

  private async fetch(path: string, init: RequestInit): Promise<Response> {
    const token = await this.options.token?.();
    const headers = { ...init.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
    return fetch(this.options.base + path, { ...init, headers, cache: "no-store" });
  }
}

function follows(f: Followed, collection: string, docId: string): boolean {
  return f.collection === collection && (f.docId === null || f.docId === docId);
}

interface Event {
  type: "insert" | "update" | "delete";
  collection: string;
  docId?: string;
  doc?: Doc;
}

function applyTo(f: Followed, docs: Docs, { type, collection, docId, doc }: Event): void {
  const id = docId ?? doc?._id ?? "";
  if (!follows(f, collection, id)) return;
  if (type === "delete") docs.delete(id);
  else if (docs.has(id) || f.docId !== null) docs.set(id, doc as Doc);
  else putFirst(docs, id, doc as Doc);
}

/** A new document is the newest: a list has it first. */
function putFirst(docs: Docs, id: string, doc: Doc): void {
  const others = [...docs];
  docs.clear();
  docs.set(id, doc);
  for (const [other, one] of others) docs.set(other, one);
}
