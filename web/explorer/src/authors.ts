import type { Message } from "@secondgate/core";

/** Who made the last change of a document that was seen here. */
export interface Author {
  /** What a table says: a person, an agent, the gateway itself, or another program. */
  name: "person" | "agent" | "service" | "outside";
  id: string;
}

/** How many documents are remembered at most. */
const most = 20_000;

/** The authors of the changes that this page has been told of. */
export class Authors {
  private readonly last = new Map<string, Author>();
  private known = false; // this connection says who made a change: a stream in a socket's place does not

  /** Takes each message of the gateway. */
  readonly watch = ({ type, features, collection = "", docId = "", by }: Message): void => {
    if (type === "second:data:welcome") this.known = features?.includes("by") ?? false;
    if (type !== "second:data:change") return;
    const key = keyOf(collection, docId);
    this.last.delete(key); // so that the latest is the last
    if (this.known) this.last.set(key, { name: by ? names[by.kind] : "outside", id: by?.id ?? "" });
    for (const oldest of this.last.keys()) {
      if (this.last.size <= most) break;
      this.last.delete(oldest);
    }
  };

  of(collection: string, docId: string): Author | undefined {
    return this.last.get(keyOf(collection, docId));
  }
}

const names = { user: "person", anonymous: "person", agent: "agent", service: "service" } as const;
const keyOf = (collection: string, docId: string): string => `${collection}\u0000${docId}`;
