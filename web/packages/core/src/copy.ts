import type { Doc } from "./types.js";

type AnyDoc = Doc<Record<string, unknown>>;

/** A change as the gateway tells it: insert and update mean "is now this". */
export interface Change {
  collection: string;
  docId: string;
  operation: "insert" | "update" | "delete";
  doc?: AnyDoc;
}

/**
 * Documents in the order in which people see them: as the first list has them, the newest first, later ones in front.
 * A change leaves a document where it is.
 */
export class Copy {
  readonly docs = new Map<string, AnyDoc>();
  private order: string[] = [];

  /** Adds a page of a list behind what is there. */
  addPage(docs: readonly AnyDoc[]): void {
    for (const doc of docs) {
      if (!this.docs.has(doc._id)) this.order.push(doc._id);
      this.docs.set(doc._id, doc);
    }
  }

  apply(change: Change): void {
    const known = this.docs.has(change.docId);
    if (change.operation === "delete") {
      if (known) this.order.splice(this.order.indexOf(change.docId), 1);
      this.docs.delete(change.docId);
    } else if (change.doc) {
      if (!known) this.order.unshift(change.docId);
      this.docs.set(change.docId, change.doc);
    }
  }

  get ids(): readonly string[] {
    return this.order;
  }
}
