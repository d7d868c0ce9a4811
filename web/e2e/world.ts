import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";
import { afterAll, beforeAll, inject } from "vitest";
import { Gateway } from "../packages/core/test/gateway.js";
import { startDatabase, type Database, type DatabaseKind } from "./database.js";
import { Site } from "./site.js";

/** A gateway with a web app behind it, and tabs of one browser that look at both. */
export class World {
  readonly site: Site;
  readonly gateway: Gateway;
  private readonly browser: Browser;
  private readonly context: BrowserContext;
  private readonly tabs: Page[] = [];
  /** What pages have thrown: nothing may. */
  readonly thrown: string[] = [];

  private constructor(site: Site, gateway: Gateway, browser: Browser, context: BrowserContext) {
    this.context = context;
    this.site = site;
    this.gateway = gateway;
    this.browser = browser;
  }

  static async start(...flags: string[]): Promise<World> {
    const site = await Site.start();
    const [gateway, browser] = await Promise.all([
      Gateway.start(
        "--forward",
        site.url,
        "--agents",
        "serve",
        "--worker",
        `webhook=${site.url}/worker`,
        "--allowed-host",
        "lan.test:{port}",
        "--allowed-origin",
        "http://lan.test:{port}",
        ...flags,
      ),
      chromium.connect(inject("browser")),
    ]);
    const context = await browser.newContext();
    context.setDefaultTimeout(Number(process.env["E2E_PATIENCE"] ?? 60_000));
    return new World(site, gateway, browser, context);
  }

  async tab(path: string, origin = this.gateway.url): Promise<Page> {
    const page = await this.context.newPage();
    this.tabs.push(page);
    page.on("pageerror", (error) => this.thrown.push(String(error)));
    await page.goto(origin + path);
    return page;
  }

  // Others' writes, by REST.

  async insert(collection: string, body: object): Promise<void> {
    await this.rest("", "POST", JSON.stringify({ collection, ...body }));
  }

  /** Inserts data that is JSON text, since no object of JavaScript has a member __proto__ by its literal. */
  async raw(collection: string, data: string): Promise<void> {
    await this.rest("", "POST", `{"collection":${JSON.stringify(collection)},"data":${data}}`);
  }

  async update(collection: string, docId: string, data: object): Promise<void> {
    await this.rest(`/${docId}`, "PATCH", JSON.stringify({ collection, data }));
  }

  async delete(collection: string, docId: string): Promise<void> {
    await this.rest(`/${docId}?collection=${collection}`, "DELETE");
  }

  /** The collection as JSON text. */
  text(collection: string): Promise<string> {
    return this.rest(`?collection=${collection}`, "GET");
  }

  private rest(path: string, method: string, body?: string): Promise<string> {
    return this.ask(`/api/workspaces/w/apps/a/data${path}`, method, body);
  }

  /** A request to the gateway, which must not be refused. */
  async ask(path: string, method: string, body?: string): Promise<string> {
    const answer = await fetch(`${this.gateway.url}${path}`, {
      method,
      headers: { "Content-Type": "application/json" },
      ...(body ? { body } : {}),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.text();
  }

  /** Closes the tabs. */
  async closeTabs(): Promise<void> {
    for (const tab of this.tabs.splice(0)) await tab.close();
  }

  async stop(): Promise<void> {
    await this.closeTabs();
    await this.browser.close();
    await this.gateway.stop();
    await this.site.stop();
  }
}

/** Waits until a condition holds; what says what for. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const end = Date.now() + Number(process.env["E2E_PATIENCE"] ?? 90_000);
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`it took more than 90 s until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
}

/** A world over a database of its own, with the page /leads, for the tests of the block that asks for it. */
export function worldOver(kind: DatabaseKind): { readonly world: World; readonly database: Database } {
  let database: Database;
  let world: World;
  beforeAll(async () => {
    database = await startDatabase(kind);
    world = await World.start(...database.flags);
    await world.site.page("/leads", "leads.tsx");
  });
  afterAll(async () => {
    await world?.stop();
    await database?.stop();
  });
  return {
    get world() {
      return world;
    },
    get database() {
      return database;
    },
  };
}
