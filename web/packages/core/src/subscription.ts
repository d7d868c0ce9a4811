import { Copy, type Change } from "./copy.js";
import type { SecondError } from "./error.js";
import type { Message } from "./wire.js";

/** What of the gateway's stream is waiting for the next bookmark. */
type Waiting = { page: Message; first: boolean } | { change: Change } | { reset: true };

/**
 * One followed collection, or one document of it: an exact copy that moves from bookmark to bookmark. What arrives in
 * between waits, so that a copy never shows half a transaction.
 */
export class Subscription {
  readonly collection: string;
  readonly docId: string | null;
  /** What people see. It is exact at the bookmark that cursor names. */
  base = new Copy();
  cursor: string | null = null;
  /** Everything has been read once. */
  whole = false;
  /** The base is of this connection's stream, or of one that it resumed. */
  current = false;
  error: SecondError | null = null;
  /** The copy that a list is building, because the base is void; null if the base is good. */
  private building: Copy | null = null;
  private complete = false;
  private waiting: Waiting[] = [];
  /** The id of the request that is being answered: answers to older ones are void. */
  request: string | null = null;
  answered = false;
  /** The request is a list that replaces the copy. */
  listing = false;

  constructor(collection: string, docId: string | null) {
    this.collection = collection;
    this.docId = docId;
  }

  follows(collection: string, docId: string): boolean {
    return this.collection === collection && (this.docId === null || this.docId === docId);
  }

  /** A new connection: what was waiting for a bookmark is void, and comes again. */
  restart(): void {
    this.waiting = [];
    this.building = null;
    this.complete = false;
    this.current = false;
    this.answered = false;
    this.request = null;
  }

  /** The subscription was resumed at its cursor: what was missed follows. */
  resumed(): void {
    this.building = null;
    this.answered = true;
  }

  /** A page of documents: the first of a list, or one behind it. */
  page(m: Message, first: boolean): void {
    this.answered = true;
    this.waiting.push({ page: m, first });
  }

  change(c: Change): void {
    if (this.follows(c.collection, c.docId)) this.waiting.push({ change: c });
  }

  /** The copy is void. It is shown until a new one is whole. */
  reset(): void {
    this.waiting.push({ reset: true });
    this.cursor = null;
    this.current = false;
    this.request = null;
  }

  /**
   * Everything up to here is one committed snapshot. It returns the ids of documents that have changed, or null if any
   * may have.
   */
  bookmark(cursor: string): Set<string> | null {
    let changed: Set<string> | null = new Set();
    for (const w of this.waiting) {
      if ("reset" in w) {
        this.building = new Copy();
        this.complete = false;
      } else if ("page" in w) {
        if (w.first) this.building = new Copy();
        this.building?.addPage(w.page.docs ?? []);
        this.complete = !w.page.next;
      } else {
        (this.building ?? this.base).apply(w.change);
        changed?.add(w.change.docId);
      }
    }
    this.waiting = [];
    if (this.building && this.complete) {
      this.base = this.building;
      this.building = null;
      changed = null;
    }
    if (this.answered && !this.building) {
      if (!this.current || !this.whole) changed = null;
      this.whole = true;
      this.current = true;
      this.cursor = cursor;
    }
    return changed;
  }
}
