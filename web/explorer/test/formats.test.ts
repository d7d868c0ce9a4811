import type { Doc } from "@secondgate/core";
import { expect, test } from "vitest";
import { rowsIn, textIn, type Row } from "../src/formats.js";
import { planOf } from "../src/import.js";

const texts = [
  "",
  "a",
  "12",
  "true",
  "null",
  "-",
  "=1+1",
  "'=1",
  "''+",
  "@x",
  "\tx",
  "\rx",
  '"',
  '"12"',
  ",",
  "a,b",
  "a\nb",
  "a\r\nb",
  " x ",
  "{}",
  "[1]",
  "é\u202e",
  "|",
  "# x",
];
const values: unknown[] = [
  ...texts,
  0,
  -5,
  1.5e300,
  true,
  false,
  null,
  [],
  [1, "x"],
  {},
  { a: { "=b": "c" } },
];

/** Numbers from a seed, so that what fails fails again. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return Math.floor((state / 2147483648) * below);
  };
}

test.each([1, 2, 3, 4, 5])("whatever is exported is what is read back (seed %i)", (seed) => {
  const next = random(seed);
  const pick = <T>(from: readonly T[]): T => from[next(from.length)] as T;
  const names = texts.filter((name) => name !== "");
  for (let round = 0; round < 200; round++) {
    const docs = Array.from({ length: 1 + next(5) }, (_, i) => {
      const fields = Array.from({ length: next(6) }, () => [pick(names), pick(values)]);
      return {
        ...(Object.fromEntries(fields) as Row),
        _id: `d${i}`,
        _rev: "r",
        _updatedAt: "t",
      } as unknown as Doc;
    });
    const want = docs.map((doc) =>
      Object.fromEntries(Object.entries(doc).filter(([name]) => name !== "_rev" && name !== "_updatedAt")),
    );
    expect(rowsIn(textIn("JSON", docs), "x.json")).toEqual(want);
    expect(rowsIn(textIn("NDJSON", docs), "x.ndjson")).toEqual(want);
    const csv = textIn("CSV", docs);
    expect(rowsIn(csv, "x.csv"), csv).toEqual(want);
    expect(planOf(rowsIn(csv, "x.csv"), docs, "_id")).toMatchObject({ steps: [], same: docs.length });
  }
});

test("no cell of a CSV file is a formula", () => {
  for (const text of texts) {
    const docs = [{ _id: text, [text || "x"]: text, other: { [text]: text } } as unknown as Doc];
    for (const cell of textIn("CSV", docs).split(/[\r\n]+|(?<!"),(?!")/)) {
      expect(cell.replace(/^"/, "")).not.toMatch(/^[=+@\t\r]|^-(?!\d)/);
    }
  }
});

test("of documents with one value in the key the newest is meant, and an id is a text", () => {
  const docs = [
    { _id: "new", name: "a" },
    { _id: "old", name: "a" },
    { _id: "7", name: "b" },
  ] as Doc[];
  expect(planOf([{ name: "a", n: 1 }], docs, "name").steps).toMatchObject([{ docId: "new" }]);
  expect(planOf([{ _id: 7, name: "c" }], docs, "_id").steps).toMatchObject([{ docId: "7", before: docs[2] }]);
});

test("of documents with one key in a file the last counts, and one without is named", () => {
  const rows = [
    { name: "a", n: 1 },
    { name: "a", n: 2 },
  ];
  expect(planOf(rows, [], "name").steps).toMatchObject([{ before: null, after: { name: "a", n: 2 } }]);
  expect(planOf(rows, [], "").inserted).toBe(2);
  expect(() => planOf([{ n: 1 }], [], "name")).toThrow("has no name");
});
