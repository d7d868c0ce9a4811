import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect } from "node:net";
import type { Duplex } from "node:stream";

/** A proxy in front of a gateway, which lets sockets through or not, as networks do. */
export class Proxy {
  private readonly server: Server;
  private readonly target: URL;
  private readonly sockets = new Set<Duplex>();
  private readonly upgrading = new Set<Duplex>(); // also those that hang
  mode: "open" | "refuse" | "hang" = "open";
  private readonly following = new Set<ServerResponse>();
  url = "";

  private constructor(target: string) {
    this.target = new URL(target);
    this.server = createServer((asked, answer) => this.forward(asked, answer));
    this.server.on("upgrade", (asked: IncomingMessage, socket: Duplex) => this.upgrade(asked, socket));
  }

  static async start(target: string): Promise<Proxy> {
    const proxy = new Proxy(target);
    await new Promise<void>((resolve) => proxy.server.listen(0, "127.0.0.1", resolve));
    proxy.url = `http://127.0.0.1:${(proxy.server.address() as { port: number }).port}`;
    return proxy;
  }

  /** How many event streams are open. */
  get streams(): number {
    return this.following.size;
  }

  /** How many sockets are open. */
  get open(): number {
    return this.sockets.size;
  }

  /** What the gateway sees: requests of its own origin. */
  private headers(asked: IncomingMessage): Record<string, string | string[] | undefined> {
    const origin = asked.headers.origin ? { origin: this.target.origin } : {};
    return { ...asked.headers, host: this.target.host, ...origin };
  }

  private forward(asked: IncomingMessage, answer: ServerResponse): void {
    const { hostname, port } = this.target;
    const stream = asked.url?.includes("/data/stream") ?? false;
    const on = request(
      { hostname, port, path: asked.url, method: asked.method, headers: this.headers(asked) },
      (got) => {
        answer.writeHead(got.statusCode ?? 502, got.headers);
        if (stream && !answer.destroyed) this.following.add(answer);
        got.pipe(answer);
        got.on("error", () => answer.destroy());
        got.on("close", () => answer.destroy());
      },
    );
    on.on("error", () => (answer.headersSent ? answer.destroy() : answer.writeHead(502).end()));
    answer.on("close", () => {
      this.following.delete(answer);
      on.destroy();
    });
    asked.pipe(on);
  }

  private upgrade(asked: IncomingMessage, socket: Duplex): void {
    socket.on("error", () => undefined);
    this.upgrading.add(socket);
    socket.on("close", () => this.upgrading.delete(socket));
    if (this.mode === "hang") return;
    if (this.mode === "refuse") return void socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    const on = connect(Number(this.target.port), this.target.hostname);
    const lines = Object.entries(this.headers(asked)).map(([name, value]) => `${name}: ${String(value)}\r\n`);
    on.write(`GET ${asked.url} HTTP/1.1\r\n${lines.join("")}\r\n`);
    on.pipe(socket).pipe(on);
    this.sockets.add(socket);
    for (const [one, other] of [
      [on, socket],
      [socket, on],
    ] as const) {
      one.on("error", () => undefined);
      one.on("close", () => {
        other.destroy();
        this.sockets.delete(socket);
      });
    }
  }

  /** Cuts the sockets that are open. */
  cut(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    for (const socket of this.upgrading) socket.destroy();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
