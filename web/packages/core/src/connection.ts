import { Backoff } from "./backoff.js";
import { SecondError } from "./error.js";
import type { Options } from "./types.js";
import type { StreamSocket } from "./stream.js";
import { dataURL, errorOf, messagesOf, type Message, type Request } from "./wire.js";

/** What a connection tells its owner. */
export interface Listener {
  /** A new connection: nothing is followed on it, and nothing was sent. */
  opened(): void;
  message(m: Message): void;
  /** The connection is lost. It comes back by itself, unless error says why it cannot. */
  lost(error: SecondError | null): void;
}

const version = "second.data.v1";
const openTime = 4_000; // for a handshake
const blockedAfter = 2; // handshakes that fail although REST works: a network that lets no socket through
const firstProbe = 5_000; // until a socket is tried again beside a stream
const refreshEarly = 30_000; // before a token expires

/** What a WebSocket and a stream in its place have in common. */
type Socket = Pick<StreamSocket, "send" | "close" | "onmessage" | "onclose">;

/**
 * One socket that comes back by itself. Where a network lets none through, an event stream takes
 * its place.
 */
export class Connection {
  private socket: Socket | null = null;
  private blocked = 0;
  private byStream = false;
  private probe: ReturnType<typeof setTimeout> | undefined;
  private ready = false;
  private closed = false;
  private paused = false;
  private heard = 0; // when the last message came
  private heartbeat = 25_000;
  private watch: ReturnType<typeof setInterval> | undefined;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private refresh: ReturnType<typeof setTimeout> | undefined;
  private readonly backoff = new Backoff();
  private lastId = 0;
  private readonly options: Options;
  private readonly listener: Listener;

  constructor(options: Options, listener: Listener) {
    this.options = options;
    this.listener = listener;
    globalThis.addEventListener?.("online", this.wake);
    globalThis.addEventListener?.("pageshow", this.wake);
    globalThis.document?.addEventListener?.("visibilitychange", this.wake);
    void this.open();
  }

  /**
   * Sends a request on the connection there is. It returns the id that the answer carries, or null
   * if there is none.
   */
  send(request: Request): string | null {
    if (!this.ready || !this.socket) return null;
    const requestId = `${++this.lastId}`;
    this.socket.send(JSON.stringify({ ...request, requestId }));
    return requestId;
  }

  /** Ends the connection, and opens none until resume. */
  pause(): void {
    if (this.paused || this.closed) return;
    this.paused = true;
    this.drop();
    this.listener.lost(null);
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.again(0);
  }

  get connected(): boolean {
    return this.ready;
  }

  close(): void {
    this.closed = true;
    globalThis.removeEventListener?.("online", this.wake);
    globalThis.removeEventListener?.("pageshow", this.wake);
    globalThis.document?.removeEventListener?.("visibilitychange", this.wake);
    this.drop();
  }

  /** What a page that sleeps misses: its timers are late, and its socket may be dead. */
  private readonly wake = (): void => {
    if (this.closed || this.paused) return;
    if (!this.socket) this.again(0);
    else this.checkAlive();
  };

  private base(): string {
    return dataURL(
      this.options.url ?? globalThis.location?.origin ?? "",
      this.options.workspace,
      this.options.app,
    );
  }

  private get query(): string {
    return this.options.version === "draft" ? "version=draft" : "version=published";
  }

  private async open(): Promise<void> {
    clearTimeout(this.retry);
    const attempt = {}; // a later attempt makes this one void
    this.attempt = attempt;
    let socket: Socket;
    try {
      socket = this.byStream ? await this.newStream() : await this.newSocket();
    } catch (cause) {
      this.failed(new SecondError("identity_required", `no token: ${String(cause)}`, true));
      return;
    }
    if (this.closed || this.paused || this.attempt !== attempt) return socket.close();
    this.socket = socket;
    let timedOut = false;
    const late = setTimeout(() => {
      timedOut = true;
      const { onclose } = socket;
      socket.onclose = null; // a handshake that hangs takes its time to close
      socket.close();
      onclose?.({ code: 1006 });
    }, openTime);
    socket.onmessage = (event) => {
      clearTimeout(late);
      if (this.socket === socket) this.receive(String(event.data));
    };
    socket.onclose = (event) => {
      clearTimeout(late);
      if (this.socket === socket) void this.gone(event.code, timedOut);
    };
  }

  private async newSocket(): Promise<Socket> {
    const token = await this.options.token?.();
    const features = this.options.watch ? "&features=by" : "";
    const Implementation = this.options.WebSocket ?? WebSocket;
    const socket = new Implementation(
      `${this.base().replace(/^http/, "ws")}/socket?${this.query}&changes=none${features}`,
      token ? [version, `second.bearer.${token}`] : [version],
    );
    socket.onerror = () => {}; // a close follows
    return socket as Socket;
  }

  private async newStream(): Promise<Socket> {
    const { StreamSocket } = await import("./stream.js"); // only where it is needed
    const { token } = this.options;
    return new StreamSocket({ base: this.base(), version: this.query, ...(token ? { token } : {}) });
  }

  private attempt: object | null = null;

  private receive(frame: string): void {
    this.heard = Date.now();
    for (const m of messagesOf(frame)) {
      this.options.watch?.(m);
      if (m.type === "second:data:welcome") this.welcome(m);
      else if (m.type === "second:data:goaway") this.leave(m.retryAfterMs ?? 500);
      else {
        // A stream's welcome says nothing yet.
        if (m.type === "second:data:bookmark") this.backoff.reset();
        this.listener.message(m);
      }
    }
  }

  private welcome(m: Message): void {
    if (this.byStream) this.probeIn(firstProbe);
    else {
      this.blocked = 0;
      this.backoff.reset();
    }
    this.ready = true;
    this.heartbeat = m.heartbeatMs ?? this.heartbeat;
    this.watch = setInterval(() => this.checkAlive(), this.heartbeat);
    this.refreshBefore(m.expiresAt);
    this.listener.opened();
  }

  /** A gateway sends something each heartbeat. */
  private checkAlive(): void {
    if (this.ready && Date.now() - this.heard > 2 * this.heartbeat + 5_000) this.lose(null, 0);
  }

  private refreshBefore(expiresAt: string | undefined): void {
    clearTimeout(this.refresh);
    if (!expiresAt || !this.options.token) return;
    const left = Date.parse(expiresAt) - Date.now();
    const wait = Math.max(0, Math.min(left > 2 * refreshEarly ? left - refreshEarly : left / 2, 2 ** 31 - 1));
    this.refresh = setTimeout(() => void this.sendToken(), wait);
  }

  private async sendToken(): Promise<void> {
    const socket = this.socket;
    try {
      const token = await this.options.token?.();
      if (token && this.socket === socket && this.ready) this.send({ type: "second:auth:refresh", token });
    } catch {
      // the socket closes when its token expires, and the next one asks for another
    }
  }

  /** Notes a refreshed token's end. */
  refreshed(m: Message): void {
    if (!errorOf(m)) this.refreshBefore(m.expiresAt);
  }

  private leave(after: number): void {
    this.lose(null, after * (0.5 + Math.random()));
  }

  /** Tries a socket beside the stream. If one opens it takes over. */
  private probeIn(wait: number): void {
    this.probe = setTimeout(async () => {
      const socket = await this.newSocket().catch(() => null);
      const end = setTimeout(() => socket?.close(), openTime);
      this.probe = end;
      if (!socket) return this.probeIn(wait);
      socket.onmessage = () => {
        socket.close();
        if (!this.byStream) return;
        this.byStream = false;
        this.lose(null, 0);
      };
      socket.onclose = () => {
        clearTimeout(end);
        if (this.byStream && this.probe === end) this.probeIn(Math.min(2 * wait, 60_000));
      };
    }, wait);
  }

  private async gone(code: number, timedOut: boolean): Promise<void> {
    const wasReady = this.ready;
    const never = code === 4403 || code === 4404;
    const { socket } = this;
    if (this.byStream) {
      this.byStream = false; // a socket is tried first
      this.blocked = blockedAfter - 1;
    } else if (!wasReady) {
      const error = await this.reason();
      if (this.socket !== socket) return;
      if (error === "reached") this.blocked += timedOut ? blockedAfter : 1;
      this.byStream = this.blocked >= blockedAfter;
      return this.failed(error === "reached" ? null : error);
    }
    if (never) this.failed(reasonOf(await this.reason()));
    else this.lose(null, code === 1012 ? 0 : this.backoff.next());
  }

  /** Why a handshake fails: browsers tell scripts nothing, so it is asked by HTTP. */
  private async reason(): Promise<SecondError | "reached" | null> {
    try {
      const token = await this.options.token?.();
      const headers: Record<string, string> = token ? { Authorization: `Bearer ${token}` } : {};
      const answer = await fetch(`${this.base()}?${this.query}&collection=_&limit=1`, { headers });
      if (answer.ok) return "reached";
      const body = (await answer.json()) as { error: string; message: string };
      return new SecondError(body.error, body.message, answer.status >= 500 || answer.status === 429);
    } catch {
      return null; // no network: it will be back
    }
  }

  private failed(error: SecondError | null): void {
    this.lose(error, this.backoff.next());
  }

  private lose(error: SecondError | null, wait: number): void {
    this.drop();
    if (this.closed || this.paused) return;
    this.again(wait);
    this.listener.lost(error);
  }

  private drop(): void {
    const socket = this.socket;
    this.socket = null;
    this.ready = false;
    this.attempt = null;
    clearInterval(this.watch);
    clearTimeout(this.probe);
    clearTimeout(this.refresh);
    clearTimeout(this.retry);
    if (socket) {
      socket.onmessage = socket.onclose = null;
      socket.close();
    }
  }

  private again(wait: number): void {
    clearTimeout(this.retry);
    this.retry = setTimeout(() => void this.open(), wait);
  }
}

const reasonOf = (reason: SecondError | "reached" | null): SecondError | null =>
  reason === "reached" ? null : reason;
