import { SecondError } from "./error.js";
import type { Doc } from "./types.js";
import type { Message, Request } from "./wire.js";

type Asked = Request & { requestId: string };

/** A document as a write left it, null if the write deleted it. */
export interface Written {
  collection: string;
  docId: string;
  doc: Doc | null;
  /** Whether the stream or a list has shown the document in this state or a later one. */
  seen: boolean;
}

/** A write that was carried out. Nothing is lost of it once all that it wrote is seen. */
export interface Sent {
  requestId: string;
  written: Written[];
  at: number; // when it was answered
}

/** What writes need of the stream that they go beside. */
export interface Beside {
  post(path: string, body: string): Promise<Response>;
  /** Resolves once all that was followed earlier is answered. */
  whenFollowed(): Promise<void>;
  /** Takes the answer, as a socket would give it, and what was written unless the write was refused. */
  answered(answer: Message, sent: Sent | null): void;
  /** Whether the stream has ended: then writes are sent again on the next connection. */
  ended(): boolean;
}

/**
 * Carries out a socket's writes by REST. Those of one document go out one after the other. A batch, or an upsert of
 * which only the answer tells the document, goes out alone: after all before it and before all after it.
 */
export class RestWrites {
  private readonly last = new Map<string, Promise<void>>(); // of each document, since the last that went alone
  private alone = Promise.resolve();

  constructor(private readonly beside: Beside) {}

  send(request: Asked): void {
    const { collection = "", docId } = request;
    const before =
      docId === undefined
        ? Promise.all([this.alone, ...this.last.values()])
        : (this.last.get(keyOf(collection, docId)) ?? this.alone);
    const write = before.then(() => this.beside.whenFollowed()).then(() => this.write(request));
    if (docId === undefined) {
      this.last.clear();
      this.alone = write;
      return;
    }
    const key = keyOf(collection, docId);
    this.last.set(key, write);
    void write.then(() => {
      if (this.last.get(key) === write) this.last.delete(key);
    });
  }

  private async write(request: Asked): Promise<void> {
    const { type, requestId, collection, docId } = request;
    try {
      const response = await this.beside.post("/write", JSON.stringify(request));
      const answer = (await response.json()) as Message & { error?: unknown; message?: string };
      if (!response.ok) {
        const { error = "internal", message = "" } = answer as { error?: string; message?: string };
        throw new SecondError(error, message, response.status === 429 || response.status >= 500);
      }
      const written = (answer.results ?? [answer]).map(writtenBy);
      this.beside.answered(answer, { requestId, written, at: performance.now() });
    } catch (cause) {
      if (this.beside.ended()) return;
      const { code, message, retryable } =
        cause instanceof SecondError ? cause : new SecondError("unavailable", String(cause), true);
      const refused: Message = { type: `${type}-response`, requestId, error: { code, message, retryable } };
      if (collection !== undefined) refused.collection = collection;
      if (docId !== undefined) refused.docId = docId;
      this.beside.answered(refused, null);
    }
  }
}

const writtenBy = ({ collection = "", docId, doc = null }: Message): Written => ({
  collection,
  docId: docId ?? doc?._id ?? "",
  doc,
  seen: false,
});

/** A document is this now: has it what was written? */
export function see(w: Written, doc: Doc | null): void {
  w.seen ||=
    w.doc === null ? doc === null : doc !== null && (doc._updatedAt ?? "") >= (w.doc._updatedAt ?? "");
}

export const isSeen = ({ written }: Sent): boolean => written.every((w) => w.seen);

export const keyOf = (collection: string, docId: string | null): string =>
  docId === null ? collection : `${collection}\u0000${docId}`;
