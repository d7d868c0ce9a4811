import { SecondError } from "@secondgate/core/error";
import { randomId } from "@secondgate/core/ids";
import { hear, say, type HostMessage } from "./window.js";

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
export class Link {
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
