import type { Doc } from "@secondgate/core";
import Papa from "papaparse";

export const formats = ["JSON", "NDJSON", "CSV", "Markdown"] as const;
export type Format = (typeof formats)[number];

/** A document as a file has it: its id and its data, without what the gateway adds. */
export type Row = Record<string, unknown>;

const rowOf = (doc: Doc): Row =>
  Object.fromEntries(Object.entries(doc).filter(([name]) => name === "_id" || !name.startsWith("_")));

/** Documents as the text of a file. JSON, NDJSON and CSV are read back by rowsIn without loss. */
export function textIn(format: Format, docs: readonly Doc[]): string {
  const rows = docs.map(rowOf);
  switch (format) {
    case "JSON":
      return `${JSON.stringify(rows, null, 2)}\n`;
    case "NDJSON":
      return rows.map((row) => `${JSON.stringify(row)}\n`).join("");
    case "CSV": {
      const fields = namesOf(rows);
      const data = rows.map((row) => fields.map((name) => csvCell(row[name])));
      return `${Papa.unparse({ fields: fields.map(guarded), data })}\r\n`;
    }
    case "Markdown": {
      const fields = namesOf(rows);
      const line = (cells: string[]): string => `| ${cells.map(markdownCell).join(" | ")} |\n`;
      const cells = (row: Row): string[] => fields.map((name) => plain(row[name]));
      return line(fields) + line(fields.map(() => "---")) + rows.map((row) => line(cells(row))).join("");
    }
  }
}

/** The documents in a file's text. It fails with what is wrong where. */
export function rowsIn(text: string, name: string): Row[] {
  if (/\.csv$/i.test(name)) return rowsInCSV(text);
  if (/^\s*\[/.test(text)) return listOf(JSON.parse(text));
  return text
    .split("\n")
    .map((line, i) => [line.trim(), i + 1] as const)
    .filter(([line]) => line)
    .map(([line, number]) => {
      try {
        return objectOf(JSON.parse(line));
      } catch (error) {
        throw new Error(`Line ${number}: ${error instanceof Error ? error.message : String(error)}`);
      }
    });
}

function rowsInCSV(text: string): Row[] {
  const { data, errors } = Papa.parse<string[]>(text.replace(/^\ufeff/, ""), { skipEmptyLines: "greedy" });
  const wrong = errors.find((e) => e.type === "Quotes");
  if (wrong) throw new Error(`Row ${(wrong.row ?? 0) + 1}: ${wrong.message}`);
  const [head = [], ...lines] = data;
  const names = head.map(unguarded);
  return lines.map((line, i) => {
    if (line.length > names.length)
      throw new Error(`Row ${i + 2} has more cells than the first row has names.`);
    return Object.fromEntries(
      line.flatMap((cell, at): [string, unknown][] =>
        cell === "" ? [] : [[names[at] ?? "", csvValue(cell)]],
      ),
    );
  });
}

function listOf(value: unknown): Row[] {
  return (value as unknown[]).map((one, i) => {
    try {
      return objectOf(one);
    } catch (error) {
      throw new Error(`Element ${i + 1}: ${String((error as Error).message)}`);
    }
  });
}

function objectOf(value: unknown): Row {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new Error("a document is a JSON object");
  return value as Row;
}

const namesOf = (rows: readonly Row[]): string[] => [...new Set(rows.flatMap((row) => Object.keys(row)))];

const plain = (value: unknown): string =>
  value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value);

/** A text goes as it is, unless it would be read as another value; all else is JSON. A missing field is empty. */
function csvCell(value: unknown): string {
  if (value === undefined) return "";
  if (typeof value !== "string") return JSON.stringify(value);
  return guarded(value === "" || isJSON(value) ? JSON.stringify(value) : value);
}

function csvValue(cell: string): unknown {
  const text = unguarded(cell);
  return isJSON(text) ? (JSON.parse(text) as unknown) : text;
}

function isJSON(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

// A spreadsheet takes a text that begins like this for a formula, unless an apostrophe is before it
// (https://owasp.org/www-community/attacks/CSV_Injection).
const guarded = (text: string): string => (/^'*[=+\-@\t\r]/.test(text) ? `'${text}` : text);
const unguarded = (text: string): string => (/^'+[=+\-@\t\r]/.test(text) ? text.slice(1) : text);

const markdownCell = (text: string): string =>
  text
    .replace(/[\\|`*_<>[\]]/g, "\\$&")
    .replace(/\r?\n/g, " ")
    .slice(0, 500);
