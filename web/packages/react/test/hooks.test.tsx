// @vitest-environment jsdom
import { createElement, StrictMode, type ReactNode } from "react";
import { createRoot, type Root } from "react-dom/client";
import { renderToString } from "react-dom/server";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { connect, type Second } from "@secondgate/core";
import { CutSocket, Gateway, until } from "../../core/test/gateway.js";
import { SecondProvider, useCollection, useDoc, type UseCollection } from "../src/index.js";

(globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = false;

let gateway: Gateway;
let app: Second;
let root: Root;
let box: HTMLElement;
beforeAll(async () => {
  gateway = await Gateway.start();
});
afterAll(() => gateway.stop());
afterEach(() => {
  root.unmount();
  app.close();
});

function show(node: ReactNode): void {
  app = connect({ url: gateway.url, workspace: "w", app: "a", WebSocket: CutSocket as unknown as typeof WebSocket });
  box = document.createElement("div");
  root = createRoot(box);
  root.render(createElement(StrictMode, null, createElement(SecondProvider, { app }, node)));
}

interface Lead {
  name: string;
}

test("a collection is shown, and what the own component writes, under StrictMode", async () => {
  let leads: UseCollection<Lead> | undefined;
  const identities = new Set<unknown>();
  function Leads(): ReactNode {
    leads = useCollection<Lead>("leads");
    identities.add(leads.insert);
    return leads.data.map((d) => createElement("p", { key: d._id }, d.name));
  }
  show(createElement(Leads));
  await until(() => leads?.status === "live", "the collection is live");
  expect(leads?.loading).toBe(false);
  const doc = await leads?.insert({ name: "Ada" });
  await until(() => box.textContent === "Ada", "the document is shown");
  await leads?.update(doc?._id as string, { name: "Bob" });
  await until(() => box.textContent === "Bob", "the change is shown");
  await leads?.remove(doc?._id as string);
  await until(() => box.textContent === "", "it is gone");
  expect(identities.size).toBeLessThanOrEqual(2); // StrictMode renders the first time twice
});

test("two components share one copy", async () => {
  const seen = new Set<unknown>();
  function One(): ReactNode {
    const { data, status } = useCollection<Lead>("shared");
    if (status === "live") seen.add(data);
    return `${data.length}`;
  }
  show([createElement(One, { key: 1 }), createElement(One, { key: 2 })]);
  await until(() => seen.size > 0, "the collection is live");
  await app.collection("shared").insert({ name: "x" });
  await until(() => box.textContent === "11", "both show it");
  expect(app.collection("shared").getSnapshot().data).toHaveLength(1);
});

test("a document is followed, and none without an id", async () => {
  let id: string | null = null;
  let doc: ReturnType<typeof useDoc<Lead>> | undefined;
  let again: () => void = () => undefined;
  function One(): ReactNode {
    doc = useDoc<Lead>("docs", id);
    return doc.data?.name ?? "none";
  }
  show(createElement(One));
  again = () => root.render(createElement(StrictMode, null, createElement(SecondProvider, { app }, createElement(One))));
  await until(() => box.textContent === "none", "it is rendered");
  expect(doc).toMatchObject({ data: null, loading: false });
  await expect(doc?.update({ name: "x" })).rejects.toThrow("no document");
  id = "ada";
  again();
  await app.collection<Lead>("docs").upsert("ada", { name: "Ada" });
  await until(() => box.textContent === "Ada", "the document is shown");
});

test("on a server everything is loading", () => {
  app = connect({ url: gateway.url, workspace: "w", app: "a", WebSocket: CutSocket as unknown as typeof WebSocket });
  root = createRoot(document.createElement("div"));
  function One(): ReactNode {
    return useCollection("leads").status + useDoc("leads", "x").status;
  }
  expect(renderToString(createElement(SecondProvider, { app }, createElement(One)))).toBe("loadingloading");
});

