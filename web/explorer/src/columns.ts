import type { Doc } from "@secondgate/core";

export interface Column {
  name: string;
  /** What most of its values are. */
  kind: string;
}

/** How many documents are looked at for columns, and how many columns a table has. */
const sample = 200;
export const mostColumns = 40;

/** The columns of a table: the fields of a sample, the most frequent first. */
export function columnsOf(docs: readonly Doc[]): Column[] {
  const kinds = new Map<string, Map<string, number>>();
  for (const doc of docs.slice(0, sample)) {
    for (const [name, value] of Object.entries(doc)) {
      if (name.startsWith("_")) continue;
      const counts = kinds.get(name) ?? new Map<string, number>();
      kinds.set(name, counts.set(kindOf(value), (counts.get(kindOf(value)) ?? 0) + 1));
    }
  }
  const total = (counts: Map<string, number>): number => [...counts.values()].reduce((a, b) => a + b, 0);
  return [...kinds]
    .sort((a, b) => total(b[1]) - total(a[1]))
    .slice(0, mostColumns)
    .map(([name, counts]) => ({ name, kind: [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? "text" }));
}

export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return "null";
  if (Array.isArray(value)) return "list";
  return typeof value === "string" ? "text" : typeof value;
}

/** A value as a cell shows it, in one line. */
export function cellOf(value: unknown): string {
  if (value === undefined) return "";
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

/** Orders two values: numbers by size, all else by its text, what is missing last. */
export function compare(a: unknown, b: unknown): number {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
  if (typeof a === "number" && typeof b === "number") return a - b;
  return cellOf(a).localeCompare(cellOf(b));
}

/** Whether a document has what was typed: text anywhere, or field:text in a field. */
export function matches(doc: Doc, typed: string): boolean {
  const wanted = typed.trim().toLowerCase();
  const at = wanted.indexOf(":");
  const field =
    at > 0 ? Object.keys(doc).find((name) => name.toLowerCase() === wanted.slice(0, at)) : undefined;
  if (field)
    return cellOf((doc as Record<string, unknown>)[field])
      .toLowerCase()
      .includes(wanted.slice(at + 1).trim());
  return JSON.stringify(doc).toLowerCase().includes(wanted);
}
