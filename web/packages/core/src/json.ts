import { SecondError } from "./error.js";

/** Data as JSON carries it: dates become texts, undefined goes, NaN becomes null. What JSON cannot carry is refused. */
export function normalised<T>(data: T): T {
  try {
    const text = JSON.stringify(data);
    if (text === undefined || text[0] !== "{") throw new TypeError("it is no object");
    return JSON.parse(text) as T;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new SecondError("invalid_document", `the data cannot be sent as JSON: ${why}`);
  }
}

/** Whether two values of JSON are the same. */
export function same(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const names = Object.keys(a);
  return names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && same((a as never)[name], (b as never)[name]));
}
