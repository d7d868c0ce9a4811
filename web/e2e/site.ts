import { build } from "esbuild";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { fileURLToPath } from "node:url";

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const packages = Object.fromEntries(
  ["core", "host", "react"].map((name) => [`@secondgate/${name}`, at(`../packages/${name}/src/index.ts`)]),
);
// planted.mjs has the tests run against a copy of the source with a bug in it.
for (const name of ["core", "host"]) {
  const copy = process.env[`SECONDGATE_${name.toUpperCase()}`];
  if (copy) packages[`@secondgate/${name}`] = `${copy}/index.ts`;
}

/** A script of e2e/pages with all that it imports, as a browser loads it. Apps take their SDK from a file. */
export async function bundle(script: string, sdk = "../second-sdk.ts"): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [at(`pages/${script}`)],
    bundle: true,
    format: "esm",
    target: "es2020",
    jsx: "automatic",
    write: false,
    alias: { ...packages, "@/lib/second-sdk": at(sdk) },
    define: { "process.env.NODE_ENV": '"production"' },
  });
  return outputFiles[0]?.text ?? "";
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = "";
  for await (const part of request) body += String(part);
  return body;
}

/**
 * A web app on a port of its own. The gateway forwards to it what is not its own, so both have one
 * origin.
 */
export class Site {
  private readonly server: Server;
  private readonly files = new Map<string, { type: string; body: string }>();
  private readonly headers: Record<string, string> = {};
  private readonly hooks = new Map<string, (body: string) => Promise<number>>();
  /** The paths that were asked for. */
  readonly asked: string[] = [];
  url = "";

  private constructor() {
    this.server = createServer((request, response) => {
      this.asked.push(request.url ?? "");
      const hook = this.hooks.get(request.url ?? "");
      if (hook)
        return void bodyOf(request)
          .then(hook)
          .then((status) => response.writeHead(status).end("{}"));
      const file = this.files.get((request.url ?? "").replace(/\?.*/, ""));
      if (!file) return void response.writeHead(404).end();
      response.writeHead(200, { "Content-Type": file.type, ...this.headers }).end(file.body);
    });
  }

  static async start(): Promise<Site> {
    const site = new Site();
    await new Promise<void>((resolve) => site.server.listen(0, "127.0.0.1", resolve));
    const { port } = site.server.address() as { port: number };
    site.url = `http://127.0.0.1:${port}`;
    return site;
  }

  /** Serves a page of a script of e2e/pages at a path. */
  async page(path: string, script: string): Promise<void> {
    this.files.set(`${path}.js`, { type: "text/javascript", body: await bundle(script) });
    this.html(path, `<div id="root"></div><script type="module" src="${path}.js"></script>`);
  }

  /** Serves the app of e2e/pages with an SDK, as one script. */
  async app(path: string, sdk?: string): Promise<void> {
    this.files.set(path, { type: "text/javascript", body: await bundle("app.tsx", sdk) });
  }

  /** Answers a path's requests with the status that hook gives for their body. */
  on(path: string, hook: (body: string) => Promise<number>): void {
    this.hooks.set(path, hook);
  }

  html(path: string, body: string): void {
    this.files.set(path, {
      type: "text/html; charset=utf-8",
      body: `<!doctype html><meta charset="utf-8">${body}`,
    });
  }

  /** Adds a header to every answer from here on. */
  header(name: string, value: string): void {
    this.headers[name] = value;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
