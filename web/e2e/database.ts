import { execFile, spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { promisify } from "node:util";

export const databases = ["sqlite", "postgres", "mongodb"] as const;
export type DatabaseKind = (typeof databases)[number];

/** A database into which a program writes that knows nothing of the gateway. */
export interface Database {
  /** What the gateway is started with. */
  readonly flags: string[];
  /** Inserts leads of these names in one transaction. */
  insert(names: string[]): Promise<void>;
  stop(): Promise<void>;
}

export function startDatabase(kind: DatabaseKind): Promise<Database> {
  return kind === "sqlite" ? Promise.resolve(new SQLite()) : Server.start(kind);
}

class SQLite implements Database {
  private readonly directory = mkdtempSync(join(tmpdir(), "secondgate-web-"));
  private readonly file = join(this.directory, "x.db");
  readonly flags = ["--backend", `sqlite:${this.file}`];

  async insert(names: string[]): Promise<void> {
    const values = names.map((name) => `('w', 'a', 'leads', json_object('name', '${name}'))`);
    const insert = `INSERT INTO app_data (workspace_id, app_id, collection, data) VALUES ${values.join(", ")}`;
    await promisify(execFile)("sqlite3", ["-cmd", ".timeout 60000", this.file, insert]);
  }

  async stop(): Promise<void> {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** A server that ci/database runs. It answers each line that it is sent with one. */
class Server implements Database {
  private constructor(
    private readonly process: ChildProcess,
    private readonly lines: Interface,
    readonly flags: string[],
  ) {}

  static async start(kind: string): Promise<Server> {
    const program = new URL("../../bin/database", import.meta.url).pathname;
    const process = spawn(program, [kind], { stdio: ["pipe", "pipe", "inherit"] });
    const lines = createInterface(process.stdout);
    return new Server(process, lines, ["--backend", await nextLine(lines, process)]);
  }

  async insert(names: string[]): Promise<void> {
    const answer = nextLine(this.lines, this.process);
    this.process.stdin?.write(`${JSON.stringify(names)}\n`);
    await answer;
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.process.once("exit", resolve));
    this.process.stdin?.end();
    await ended;
  }
}

function nextLine(lines: Interface, process: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null): void => reject(new Error(`the database ended with ${code}`));
    process.once("exit", ended);
    lines.once("line", (line) => {
      process.off("exit", ended);
      resolve(line);
    });
  });
}
