// A live collection in one WebSocket: the smallest honest client of the protocol (docs/protocol.md).

const first = 250, most = 10_000; // milliseconds between attempts to connect

export class LiveCollection {
  docs = new Map();
  #socket; #cursor; #pending = new Map(); #count = 0; #wait = first; #timer;

  constructor(url, collection, changed, status) {
    Object.assign(this, { url, collection, changed, status });
    this.#connect();
  }

  insert(data) { return this.#request({ type: "second:data:insert", collection: this.collection, data, mutationId: crypto.randomUUID?.() }); }
  update(docId, data) { return this.#request({ type: "second:data:update", collection: this.collection, docId, data }); }
  delete(docId) { return this.#request({ type: "second:data:delete", collection: this.collection, docId }); }

  #connect() {
    const url = new URL(this.url);
    if (this.#cursor) url.searchParams.set("cursor", this.#cursor);
    this.status("connecting");
    this.#socket = new WebSocket(url, "second.data.v1");
    this.#socket.onmessage = ({ data }) => [JSON.parse(data)].flat().forEach((m) => this.#receive(m));
    this.#socket.onclose = () => this.#closed();
  }

  #closed() {
    for (const { reject } of this.#pending.values()) reject(new Error("the connection was lost; the write may or may not have happened"));
    this.#pending.clear();
    this.status("offline");
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#connect(), this.#wait * (0.5 + Math.random()));
    this.#wait = Math.min(this.#wait * 2, most);
  }

  #receive(m) {
    switch (m.type) {
      case "second:data:welcome":
        this.#wait = first;
        this.status(m.resumed ? "live (resumed)" : "live");
        if (!m.resumed && !this.#cursor) this.#list();
        return;
      case "second:data:reset": // the copy is void: list again, not all clients at once
        this.#cursor = undefined;
        setTimeout(() => this.#list(), Math.random() * m.spreadMs);
        return;
      case "second:data:bookmark":
        this.#cursor = m.cursor;
        return;
      case "second:data:goaway":
        this.#wait = m.retryAfterMs;
        return;
      case "second:data:change":
        if (m.collection === this.collection) this.#apply(m);
        return;
    }
    const asked = this.#pending.get(m.requestId);
    this.#pending.delete(m.requestId);
    if (m.error) asked?.reject(new Error(m.error.message));
    else asked?.resolve(m);
  }

  // A cursor may only be kept once the collection has been listed; until then a cut means to list again.
  async #list() {
    this.#cursor = undefined;
    const docs = new Map();
    try {
      for (let after; ;) {
        const page = await this.#request({ type: "second:data:list", collection: this.collection, after });
        if (!after) this.docs = docs; // later pages and changes add to it
        for (const doc of page.docs) docs.set(doc._id, doc);
        this.changed();
        if (!(after = page.next)) return;
      }
    } catch {
      this.#cursor = undefined; // the next connection lists again
    }
  }

  #apply({ operation, docId, doc }) {
    if (operation === "delete") this.docs.delete(docId);
    else this.docs.set(docId, doc);
    this.changed(docId);
  }

  #request(message) {
    if (this.#socket.readyState !== WebSocket.OPEN) return Promise.reject(new Error("offline: try again in a moment"));
    const requestId = String(++this.#count);
    return new Promise((resolve, reject) => {
      this.#pending.set(requestId, { resolve, reject });
      this.#socket.send(JSON.stringify({ ...message, requestId }));
    });
  }
}
