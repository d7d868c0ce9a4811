import { beforeEach, expect, test } from "vitest";

const core = process.env["SECONDGATE_CORE"] ?? new URL("../src", import.meta.url).pathname;
const { Subscription } = (await import(/* @vite-ignore */ `${core}/subscription.ts`)) as typeof import("../src/subscription.js");

type Subscribed = InstanceType<typeof Subscription>;

let s: Subscribed;
beforeEach(() => {
  s = new Subscription("c", null);
});

const doc = (id: string, n = 0): { _id: string; n: number } => ({ _id: id, n });
const change = (id: string, n?: number): Parameters<Subscribed["change"]>[0] => n === undefined
  ? { collection: "c", docId: id, operation: "delete" }
  : { collection: "c", docId: id, operation: "update", doc: doc(id, n) };
const page = (ids: string[], next?: string): Parameters<Subscribed["page"]>[0] =>
  ({ type: "second:data:subscribe-response", docs: ids.map((id) => doc(id)), ...(next ? { next } : {}) });
const shown = (): string[] => s.base.ids.map((id) => `${id}${s.base.docs.get(id)?.["n"]}`);

test("nothing is shown before a bookmark", () => {
  s.page(page(["a", "b"]), true);
  expect(shown()).toEqual([]);
  s.bookmark("1");
  expect(shown()).toEqual(["a0", "b0"]);
  s.change(change("a", 1));
  s.change(change("b"));
  expect(shown()).toEqual(["a0", "b0"]);
  expect(s.bookmark("2")).toEqual(new Set(["a", "b"]));
  expect(shown()).toEqual(["a1"]);
});

test("a list is shown when its last page is here, with what changed meanwhile", () => {
  s.page(page(["a", "b"], "more"), true);
  s.bookmark("1");
  expect([shown(), s.whole, s.cursor]).toEqual([[], false, null]);
  s.change(change("a", 1));
  s.page(page(["c"]), false);
  s.change(change("new", 2));
  s.bookmark("2");
  expect([shown(), s.whole, s.cursor]).toEqual([["new2", "a1", "b0", "c0"], true, "2"]);
});

test("what came after the last bookmark is void once the connection is lost", () => {
  s.page(page(["a"]), true);
  s.bookmark("1");
  s.change(change("a", 1));
  s.restart();
  s.resumed();
  s.bookmark("1");
  expect([shown(), s.current]).toEqual([["a0"], true]);
  s.change(change("a", 2));
  s.bookmark("2");
  expect(shown()).toEqual(["a2"]);
});

test("a list that was cut off has no cursor to go on from", () => {
  s.page(page(["a"], "more"), true);
  s.bookmark("1");
  s.restart();
  expect([s.cursor, s.whole]).toEqual([null, false]);
  s.page(page(["b"]), true);
  s.bookmark("2");
  expect(shown()).toEqual(["b0"]);
});

test("a reset voids the copy, which is shown until the new one is whole", () => {
  s.page(page(["a"]), true);
  s.bookmark("1");
  s.reset();
  s.change(change("late", 1));
  s.bookmark("2");
  expect([shown(), s.current, s.cursor]).toEqual([["a0"], false, null]);
  s.page(page(["b"]), true);
  expect(s.bookmark("3")).toBeNull();
  expect([shown(), s.current, s.cursor]).toEqual([["b0"], true, "3"]);
});

test("a document's subscription hears of no other", () => {
  s = new Subscription("c", "a");
  s.page(page(["a"]), true);
  s.change(change("b", 1));
  s.bookmark("1");
  expect(shown()).toEqual(["a0"]);
});
