// One live collection over one WebSocket: a small client that keeps to docs/protocol.md.
//
// It applies changes at once, so its copy is exact at each bookmark. It keeps a cursor only while the collection has
// been listed to its last page: a cursor with less behind it would resume a copy that has holes. Messages are handled
// one after the other as they come, never in a promise's continuation, for a change may follow a list in one frame.

const first = 250, most = 10_000; // milliseconds before connecting again: at first, and at most
const patience = 20_000; // milliseconds until a new connection must have said something
const backlog = 64; // writes that may wait for their answers

export class LiveCollection {
  docs = new Map();
  #url; #collection; #changed; #status;
  #socket; #ready = false; #resumed = false;
  #cursor; #whole = false; // whole: the last page has come
  #listing; // the list request under way
  #pending = new Map(); #count = 0; // writes without an answer
  #wait = first; #next; #silence; #heartbeat = patience;

  // changed(ids) is called after each frame that changed docs; ids are those that a change named.
  // status(state, text) is called with connecting, loading, live or offline.
  constructor(url, collection, changed, status) {
    [this.#url, this.#collection, this.#changed, this.#status] = [url, collection, changed, status];
    addEventListener("online", () => this.#hurry());
    document.addEventListener("visibilitychange", () => this.#hurry());
    this.#connect();
  }

  insert(data) { return this.#write({ type: "second:data:insert", data }); }
  update(docId, data) { return this.#write({ type: "second:data:update", docId, data }); }
  delete(docId) { return this.#write({ type: "second:data:delete", docId }); }

  #connect() {
    const url = new URL(this.#url);
    if (this.#cursor) url.searchParams.set("cursor", this.#cursor);
    this.#status("connecting", "connecting");
    const socket = this.#socket = new WebSocket(url, "second.data.v1");
    socket.onmessage = ({ data }) => { if (socket === this.#socket) this.#frame([JSON.parse(data)].flat()); };
    socket.onclose = () => { if (socket === this.#socket) this.#lost(); };
    this.#heard(patience);
  }

  // The heartbeat tells a quiet connection from a dead one, which a browser may not notice for minutes.
  #heard(ms) {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#lost(), ms);
  }

  // Writes stay in #pending and are sent again: their mutationId lets each happen once only.
  #lost() {
    const socket = this.#socket;
    this.#socket = this.#listing = undefined;
    this.#ready = false;
    socket.close();
    clearTimeout(this.#silence);
    this.#later(() => this.#connect());
    this.#status("offline", "offline, trying again");
  }

  #later(step, ms = this.#backOff()) {
    clearTimeout(this.#next);
    this.#next = setTimeout(step, ms);
  }

  // Random, so that the clients of a gateway that was away do not come back all at once.
  #backOff() {
    const ms = this.#wait * (0.5 + Math.random());
    this.#wait = Math.min(this.#wait * 2, most);
    return ms;
  }

  #hurry() {
    if (!this.#socket && !document.hidden) this.#later(() => this.#connect(), 0);
  }

  #frame(messages) {
    const touched = new Set();
    let listed = false;
    for (const m of messages) {
      if (m.type === "second:data:change") this.#apply(m, touched);
      else if (m.requestId && m.requestId === this.#listing?.requestId) listed = this.#page(m) || listed;
      else this.#receive(m);
    }
    if (listed || touched.size) this.#changed(touched);
    this.#heard(2.5 * this.#heartbeat);
  }

  #receive(m) {
    switch (m.type) {
      case "second:data:welcome":
        return this.#welcome(m);
      case "second:data:bookmark":
        if (!this.#whole) return;
        this.#cursor = m.cursor;
        this.#wait = first;
        return this.#status("live", this.#resumed ? "live, resumed" : "live");
      case "second:data:reset": // the copy is void: list again, but not all clients at the same moment
        if (m.collections && !m.collections.includes(this.#collection)) return;
        this.#cursor = this.#listing = undefined;
        this.#whole = this.#resumed = false;
        this.#status("loading", "loading");
        return this.#later(() => this.#list(), Math.random() * m.spreadMs);
      case "second:data:goaway": // the gateway stops: it will close this connection, and another one takes over
        this.#wait = m.retryAfterMs;
        return;
    }
    const asked = this.#pending.get(m.requestId);
    this.#pending.delete(m.requestId);
    if (m.error) asked?.reject(new Error(m.error.message));
    else asked?.resolve(m);
  }

  #welcome(m) {
    this.#ready = true;
    this.#resumed = m.resumed;
    this.#heartbeat = m.heartbeatMs;
    for (const { text } of this.#pending.values()) this.#socket.send(text);
    if (!this.#cursor) this.#list(); // with a cursor, either it is resumed or a reset follows
  }

  #list(after) {
    const requestId = String(++this.#count);
    this.#listing = { requestId, after };
    this.#socket.send(JSON.stringify({ type: "second:data:list", requestId, collection: this.#collection, after }));
    this.#status("loading", "loading");
  }

  // The first page replaces the copy; later ones add to it. Each is at least as new as all that came before it.
  #page(m) {
    const { after } = this.#listing;
    this.#listing = undefined;
    if (m.error) {
      this.#status("loading", m.error.message);
      this.#later(() => this.#list());
      return false;
    }
    if (!after) this.docs = new Map();
    for (const doc of m.docs) this.docs.set(doc._id, doc);
    if (m.next) this.#list(m.next);
    else this.#whole = true; // the next bookmark speaks for all of it
    return true;
  }

  #apply({ collection, operation, docId, doc }, touched) {
    if (collection !== this.#collection) return;
    if (operation === "delete") this.docs.delete(docId);
    else this.docs.set(docId, doc);
    touched.add(docId);
  }

  #write(message) {
    if (this.#pending.size >= backlog) return Promise.reject(new Error("too many changes wait to be sent"));
    const requestId = String(++this.#count);
    const text = JSON.stringify({ ...message, requestId, collection: this.#collection, mutationId: unique() });
    return new Promise((resolve, reject) => {
      this.#pending.set(requestId, { text, resolve, reject });
      if (this.#ready) this.#socket.send(text);
    });
  }
}

// crypto.randomUUID is missing on plain http, except on this machine.
const unique = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
