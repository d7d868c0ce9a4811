import type { Doc } from "@secondgate/core";
import { changedFields, dataOf, textOf } from "./data.js";
import type { Row } from "./formats.js";
import { stepTo, type Step } from "./own.js";

/** What an import does. */
export interface Plan {
  steps: Step[];
  inserted: number;
  changed: number;
  /** Documents that have all that the file says of them. */
  same: number;
}

/** What each row is for: a document with this value in the key exists, or it is made. key "" makes all. */
export function planOf(rows: readonly Row[], docs: readonly Doc[], key: string): Plan {
  // Of several documents with one value the newest counts, as for upsert; of several rows the last.
  const known = new Map(docs.map((doc) => [keyOf(doc, key), doc] as const).reverse());
  const last = new Map(rows.map((row, i) => [key ? keyOf(row, key) : `${i}`, row]));
  const plan: Plan = { steps: [], inserted: 0, changed: 0, same: 0 };
  for (const [value, row] of last) {
    if (key && row[key] === undefined) throw new Error(`A document of the file has no ${key}.`);
    const data = Object.fromEntries(Object.entries(row).filter(([name]) => !name.startsWith("_")));
    const doc = key ? known.get(value) : undefined;
    if (!doc) {
      const docId = key === "_id" ? String(row["_id"]) : newId();
      plan.steps.push({ docId, before: null, after: data });
      plan.inserted++;
      continue;
    }
    const changes = changedFields(textOf(doc), { ...dataOf(doc), ...data });
    if (Object.keys(changes).length === 0) plan.same++;
    else {
      plan.steps.push(stepTo(doc, { ...dataOf(doc), ...data }));
      plan.changed++;
    }
  }
  return plan;
}

/** The key's value as text. An id is a text, also where a file has a number. */
const keyOf = (row: Row, key: string): string =>
  JSON.stringify(key === "_id" ? String(row[key]) : row[key]) ?? "";

const newId = (): string =>
  [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
