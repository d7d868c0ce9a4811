import type { Doc } from "@secondgate/core";

/** A document's data without what the gateway adds, as it is edited. */
export function dataOf(doc: Doc): Record<string, unknown> {
  return Object.fromEntries(Object.entries(doc).filter(([name]) => !name.startsWith("_")));
}

export const textOf = (doc: Doc | null): string => JSON.stringify(doc ? dataOf(doc) : {}, null, 2);
export const revOf = (doc: Doc | null): string => String((doc as { _rev?: string } | null)?._rev ?? "");

/** Whether JSON text is a document's data, in whatever order and form. */
export function sameData(text: string, doc: Doc): boolean {
  return !problemOf(text) && ordered(JSON.parse(text)) === ordered(dataOf(doc));
}

/** A value as JSON, with the names of objects in order. */
function ordered(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === "object" && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

/** Why text cannot be saved; empty if it can. */
export function problemOf(text: string): string {
  try {
    const data: unknown = JSON.parse(text);
    if (typeof data !== "object" || data === null || Array.isArray(data))
      return "A document is a JSON object.";
    const own = Object.keys(data).find((name) => name.startsWith("_"));
    return own ? `The name ${own} is the gateway's: names of fields do not begin with an underscore.` : "";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** The fields that differ. The gateway removes none: a field that is gone from the text becomes null. */
export function changedFields(before: string, data: Record<string, unknown>): Record<string, unknown> {
  const old = JSON.parse(before) as Record<string, unknown>;
  const changed = Object.entries(data).filter(([name, value]) => ordered(value) !== ordered(old[name]));
  const gone = Object.keys(old)
    .filter((name) => !(name in data) && old[name] !== null)
    .map((name): [string, unknown] => [name, null]);
  return Object.fromEntries([...changed, ...gone]);
}
