import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WebSocket } from "ws";

/**
 * A gateway of the real binary, which can be killed and started again. Its database is a SQLite file of its own unless
 * the flags name another.
 */
export class Gateway {
  private process: ChildProcess | null = null;
  private readonly directory = mkdtempSync(join(tmpdir(), "secondgate-web-"));
  private readonly flags: string[];
  url = "";
  /** The SQLite file. */
  readonly file = join(this.directory, "x.db");

  private constructor(flags: string[]) {
    this.flags = flags;
  }

  /** Starts one. In the flags {port} is the port that it gets. */
  static async start(...flags: string[]): Promise<Gateway> {
    const port = await freePort();
    const g = new Gateway(flags.map((flag) => flag.replace("{port}", `${port}`)));
    g.url = `http://127.0.0.1:${port}`;
    await g.run();
    return g;
  }

  /** Starts the process and waits until it serves. */
  async run(): Promise<void> {
    const binary = process.env["SECONDGATE_BIN"];
    if (!binary) throw new Error("name the gateway's binary in SECONDGATE_BIN");
    const backend = this.flags.includes("--backend") ? [] : ["--backend", `sqlite:${this.file}`];
    const child = spawn(binary, [
      "serve", "--listen", this.url.slice("http://".length), "--admin", "", "--heartbeat", "1s", ...backend, ...this.flags,
    ], { stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, SECONDGATE_LOG_LEVEL: "error" } });
    this.process = child;
    await new Promise<void>((resolve, reject) => {
      const ended = (code: number | null): void => reject(new Error(`the gateway ended with ${code}`));
      child.once("exit", ended);
      child.stdout?.once("data", () => {
        child.off("exit", ended);
        resolve();
      });
    });
  }

  /** Ends the process as a power cut does. */
  async kill(): Promise<void> {
    const child = this.process;
    if (!child || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** The collection as the database has it. */
  list(collection: string): Promise<Record<string, unknown>[]> {
    return this.listOf("w", "a", collection);
  }

  async listOf(workspace: string, app: string, collection: string): Promise<Record<string, unknown>[]> {
    const answer = await fetch(`${this.url}/api/workspaces/${workspace}/apps/${app}/data?collection=${collection}`);
    return ((await answer.json()) as { docs: Record<string, unknown>[] }).docs;
  }
}

export async function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

const sockets = new Set<WebSocket>();

/** A WebSocket that cutAll cuts, as a network does. */
export class CutSocket extends WebSocket {
  constructor(url: string, protocols: string[]) {
    super(url, protocols);
    sockets.add(this);
    this.on("close", () => sockets.delete(this));
  }
}

/** A WebSocket whose network goes down just when the answer to a write is on its way, once. */
export class LossySocket extends CutSocket {
  static armed = false;

  override emit(event: string, ...args: unknown[]): boolean {
    if (event === "message" && LossySocket.armed && String(args[0]).includes("insert-response")) {
      LossySocket.armed = false;
      this.terminate();
      return true;
    }
    return super.emit(event, ...args);
  }
}

export function cutAll(): void {
  for (const socket of sockets) socket.terminate();
}

/** Waits until a condition holds; what says what for. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const end = Date.now() + 60_000;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`it took more than a minute until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
