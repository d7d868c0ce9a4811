// @vitest-environment jsdom
import { createElement, StrictMode } from "react";
import { flushSync } from "react-dom";
import { createRoot, type Root } from "react-dom/client";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { CutSocket, cutAll, Gateway, until } from "../../core/test/gateway.js";
import { AppDataBridge, type AppDataLiveChange } from "../src/index.js";

type Message = Record<string, unknown>;

let gateway: Gateway;
let root: Root;
let frame: HTMLIFrameElement;
let heard: Message[];
let told: AppDataLiveChange[];
beforeAll(async () => {
  gateway = await Gateway.start();
});
afterAll(() => gateway.stop());
beforeEach(() => {
  heard = [];
  told = [];
  frame = document.body.appendChild(document.createElement("iframe"));
  const target = frame.contentWindow as Window;
  target.postMessage = ((message: Message) => void heard.push(message)) as typeof target.postMessage;
  root = createRoot(document.createElement("div"));
  flushSync(() => root.render(createElement(StrictMode, null, createElement(AppDataBridge, {
    workspaceId: "w", appId: "a", sourceVersion: "published", iframeRef: { current: frame }, url: gateway.url,
    onDataChange: (change) => told.push(change), WebSocket: CutSocket as unknown as typeof WebSocket,
  }))));
});
afterEach(() => {
  root.unmount();
  frame.remove();
});

let lastId = 0;

/** Sends a request as today's apps do, and waits for its answer. */
async function ask(type: string, fields: Message, source: MessageEventSource | null = frame.contentWindow): Promise<Message> {
  const requestId = `${++lastId}`;
  window.dispatchEvent(new MessageEvent("message", {
    data: { source: "second-app", type: `second:data:${type}`, requestId, ...fields }, source: source as Window,
  }));
  await until(() => heard.some((m) => m["requestId"] === requestId), `${type} is answered`);
  return heard.find((m) => m["requestId"] === requestId) as Message;
}

const changes = (): Message[] => heard.filter((m) => m["type"] === "second:data:change");

test("answers the five requests in today's shapes", async () => {
  expect(await ask("list", { collection: "shapes" })).toMatchObject({
    source: "second-platform", type: "second:data:list-response", collection: "shapes", docs: [],
  });
  const inserted = await ask("insert", { collection: "shapes", data: { name: "Ada" } });
  expect(inserted).toMatchObject({ type: "second:data:insert-response", doc: { name: "Ada" } });
  const { _id: docId } = inserted["doc"] as { _id: string };
  expect(inserted["doc"]).not.toHaveProperty("_rev");
  expect(await ask("doc", { collection: "shapes", docId })).toMatchObject({ doc: { _id: docId, name: "Ada" } });
  expect(await ask("update", { collection: "shapes", docId, data: { name: "Bob" } })).toMatchObject({ docId, doc: { name: "Bob" } });
  expect(await ask("update", { collection: "shapes", docId, data: { "deep.er": 1 } })).toMatchObject({ doc: { deep: { er: 1 } } });
  expect(await ask("delete", { collection: "shapes", docId })).toMatchObject({ type: "second:data:delete-response", docId });
  expect(await ask("delete", { collection: "shapes", docId })).not.toHaveProperty("error");
  expect(await ask("doc", { collection: "shapes", docId })).toMatchObject({ doc: null });
  expect(await ask("update", { collection: "shapes", docId, data: {} })).toMatchObject({ doc: null, error: { code: "not_found" } });
});

test("tells the app what others change, also after a cut", async () => {
  await ask("list", { collection: "live" });
  const post = (body: Message): Promise<Response> => fetch(`${gateway.url}/api/workspaces/w/apps/a/data`, {
    method: "POST", body: JSON.stringify({ collection: "live", ...body }), headers: { "Content-Type": "application/json" },
  });
  await post({ docId: "x", data: { n: 1 } });
  await until(() => changes().length === 1, "the insert is told");
  expect(changes()[0]).toMatchObject({ collection: "live", operation: "insert", doc: { _id: "x", n: 1 } });
  expect(changes()[0]?.["docId"]).toBeUndefined();
  cutAll();
  await post({ docId: "y", data: { n: 2 } });
  await until(() => changes().length === 2, "what was missed is told");
  await fetch(`${gateway.url}/api/workspaces/w/apps/a/data/x?collection=live`, { method: "DELETE" });
  await until(() => changes().length === 3, "the delete is told");
  expect(changes()[2]).toMatchObject({ operation: "delete", docId: "x" });
  expect(told.map((c) => c.type)).toEqual(["insert", "insert", "delete"]);
  expect(told[0]).toMatchObject({ sourceVersion: "published", collection: "live", docId: "x" });
});

test("hears nobody but the frame", async () => {
  await ask("list", { collection: "forged" });
  const other = document.body.appendChild(document.createElement("iframe"));
  for (const source of [window, other.contentWindow, null]) {
    window.dispatchEvent(new MessageEvent("message", {
      data: { source: "second-app", type: "second:data:insert", requestId: "forged", collection: "forged", data: {} },
      source: source as Window,
    }));
  }
  for (const data of [null, 7, "x", {}, { source: "second-app" }, { source: "second-app", type: 7, requestId: {}, collection: [] }]) {
    window.dispatchEvent(new MessageEvent("message", { data, source: frame.contentWindow as Window }));
  }
  await ask("list", { collection: "forged" });
  expect(heard.some((m) => m["requestId"] === "forged")).toBe(false);
  expect(await gateway.list("forged")).toEqual([]);
});

test("another document in the frame hears nothing of the old one's", async () => {
  await ask("list", { collection: "swapped" });
  frame.dispatchEvent(new Event("load")); // its own
  frame.setAttribute("srcdoc", "another");
  await Promise.resolve(); // the page is told of attributes in a microtask
  heard = [];
  await fetch(`${gateway.url}/api/workspaces/w/apps/a/data`, {
    method: "POST", body: JSON.stringify({ collection: "swapped", data: {} }), headers: { "Content-Type": "application/json" },
  });
  await ask("list", { collection: "another" });
  expect(changes()).toEqual([]);
  expect((await ask("list", { collection: "swapped" }))["docs"]).toHaveLength(1);
});

test("refuses more requests than an app may have under way, and no others", async () => {
  for (let i = 0; i < 1_010; i++) {
    window.dispatchEvent(new MessageEvent("message", {
      data: { source: "second-app", type: "second:data:insert", requestId: `many${i}`, collection: "many", data: { i } },
      source: frame.contentWindow,
    }));
  }
  const answers = (): Message[] => heard.filter((m) => String(m["requestId"]).startsWith("many"));
  await until(() => answers().length === 1_010, "all are answered");
  const refused = answers().filter((m) => m["error"]);
  expect(refused).toHaveLength(10);
  for (const m of refused) expect(m["error"]).toMatchObject({ code: "rate_limited", retryable: true });
  expect(await gateway.list("many")).toHaveLength(1_000);
});
