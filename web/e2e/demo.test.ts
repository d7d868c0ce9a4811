import { execFile } from "node:child_process";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { chromium, type Browser, type Frame, type Page } from "playwright-core";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { Gateway } from "../packages/core/test/gateway.js";
import { attached } from "./app.js";
import { until } from "./world.js";

// The page that the binary has at its own address, as it is committed.
let gateway: Gateway;
let browser: Browser;
let page: Page;
let views: Frame[];
const complaints: string[] = [];

beforeAll(async () => {
  [gateway, browser] = await Promise.all([Gateway.start(), chromium.connect(inject("browser"))]);
  page = await browser.newPage();
  page.setDefaultTimeout(60_000);
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (m) => {
    if (m.type() === "error" && !m.location().url.endsWith("favicon.ico")) complaints.push(m.text());
  });
  await page.goto(gateway.url);
  await until(() => page.frames().length === 4, "the three frames are there");
  views = page.frames().slice(1);
  for (const view of views) await view.getByText(/live/).waitFor(attached);
});
afterAll(async () => {
  await browser?.close();
  await gateway?.stop();
});

async function allShow(name: string): Promise<void> {
  for (const view of views) await view.getByText(name, { exact: true }).first().waitFor(attached);
}

async function add(view: Frame | undefined, name: string): Promise<void> {
  await view?.getByPlaceholder("A new lead").fill(name);
  await view?.getByPlaceholder("A new lead").press("Enter");
}

test("what one adds, and what a shell writes, all three show", async () => {
  expect(complaints).toEqual([]);
  await add(views[0], "Rosalind Franklin");
  await allShow("Rosalind Franklin");
  const command = (await page.locator("pre code").textContent()) ?? "";
  await promisify(execFile)("sh", ["-c", command.replace("data/secondgate.db", gateway.file)], {
    cwd: dirname(gateway.file),
  });
  await allShow("From the shell");
  const markup = "<img src=x onerror=document.title=1>";
  await add(views[1], markup);
  await allShow(markup);
  expect(await views[0]?.locator("img").count()).toBe(0);
  expect(complaints).toEqual([]);
});

test("notes of a lead reach the others", async () => {
  for (const view of views) await view.getByText("Rosalind Franklin").click();
  await views[2]?.getByPlaceholder("A new note").fill("Call back");
  await views[2]?.getByPlaceholder("A new note").press("Enter");
  await allShow("Call back");
  await views[2]?.getByText("‹ Leads").click();
});

test("who is offline goes on, and is told what was missed", async () => {
  const online = page.getByRole("switch");
  await online.nth(1).click();
  await views[1]?.getByText(/stale/).waitFor(attached);
  await add(views[1], "Written offline");
  await views[1]?.getByText("stale, 1 to store").waitFor(attached);
  await add(views[0], "Written meanwhile");
  await views[0]?.getByText(/^live(?!.*to store)/).waitFor(attached);
  expect(await views[1]?.getByText("Written meanwhile").count()).toBe(0);
  expect((await gateway.listOf("demo", "demo", "leads")).map((doc) => doc["name"])).not.toContain(
    "Written offline",
  );
  await online.nth(1).click();
  await allShow("Written offline");
  await allShow("Written meanwhile");
});

test("samples and a burst are stored, and a gateway that is killed is found again", async () => {
  await page.getByText("Add sample leads").click();
  await allShow("Ada Lovelace");
  await page.getByText("Burst: 200 writes").click();
  await gateway.kill();
  await gateway.run();
  await page.getByText(/200 leads, a write each, are stored/).waitFor();
  await allShow("Import 200");
  await until(
    async () => (await views[0]?.locator("h1 span").textContent()) === "210",
    "all leads are shown",
  );
});

test("a frame cannot leave the page for another address", async () => {
  await views[0]?.evaluate(`location.href = "${gateway.url}/plain/"`).catch(() => undefined);
  await until(
    () => complaints.some((text) => text.includes("frame-src")),
    "the browser complains of the policy",
  );
  expect(page.frames().map((frame) => frame.url())).not.toContain(`${gateway.url}/plain/`);
});
