import type { SecondError } from "./error.js";
import type { Message } from "./wire.js";

/** A document as the gateway sends it. */
export type Doc<T = Record<string, unknown>> = T & {
  readonly _id: string;
  readonly _createdAt?: string;
  readonly _updatedAt?: string;
};

/** What a copy of the data is worth. */
export type Status =
  /** nothing has been read yet */
  | "loading"
  /** connected, and equal to the database at the last bookmark */
  | "live"
  /** what was read before the connection was lost: it will be live again */
  | "stale"
  /** it cannot be read: error says why */
  | "error";

/** What a collection is at one moment. A snapshot never changes, and is the same object until something does. */
export interface Snapshot<T> {
  readonly data: readonly Doc<T>[];
  readonly status: Status;
  readonly error: SecondError | null;
  /** How many of the own writes are shown before the gateway has told of them. */
  readonly pending: number;
}

/** What a document is at one moment; data is null where there is none. */
export interface DocSnapshot<T> {
  readonly data: Doc<T> | null;
  readonly status: Status;
  readonly error: SecondError | null;
  readonly pending: number;
}

/** Who wants to know. */
export interface Observer<S> {
  next(snapshot: S): void;
  error?(error: SecondError): void;
}

/** One write, for batch. */
export type Operation =
  | { operation: "insert"; collection: string; docId?: string; data: Record<string, unknown> }
  | { operation: "update"; collection: string; docId: string; data: Record<string, unknown>; ifRev?: string }
  | { operation: "delete"; collection: string; docId: string; ifRev?: string }
  | { operation: "upsert"; collection: string; docId?: string; filter?: Record<string, unknown>; data: Record<string, unknown> };

/** Where the data is, and as whom. */
export interface Options {
  /** The gateway's address, such as https://data.example.com; by default the page's own. */
  url?: string;
  workspace: string;
  app: string;
  version?: "draft" | "published";
  /** Called for each connection, and before a token expires. */
  token?: () => string | Promise<string>;
  /**
   * For tools: called with each message of the gateway, before it counts. Changes on a socket then say who made
   * them, in `by`.
   */
  watch?: (message: Message) => void;
  /** Another implementation of WebSocket, for Node before 22. */
  WebSocket?: typeof WebSocket;
}
