import type { Doc, Second } from "@secondgate/core";
import { useMemo, useState, type ReactNode } from "react";
import { formats, rowsIn, textIn, type Format, type Row } from "./formats.js";
import { planOf } from "./import.js";
import { carryOut, type Own } from "./own.js";

/** How many steps a preview shows, and how large a file may be, in bytes. */
const shown = 50;
const mostBytes = 200 << 20;

interface Props {
  app: Second;
  collection: string;
  /** All documents of the collection, and those that the filter leaves. */
  all: readonly Doc[];
  docs: readonly Doc[];
  own: Own;
  readonly: boolean;
  onClose(): void;
}

/** Documents to a file, and from one. */
export default function TransferPanel({
  app,
  collection,
  all,
  docs,
  own,
  readonly,
  onClose,
}: Props): ReactNode {
  return (
    <aside aria-label="Export and import">
      <header>
        <h2>Export and import</h2>
        <button className="plain" onClick={onClose} aria-label="Close">
          ✕
        </button>
      </header>
      <section className="fields">
        <p>
          The {docs.length.toLocaleString()} documents that the table shows, as
          {formats.map((format) => (
            <button key={format} onClick={() => download(format, collection, docs)}>
              {format}
            </button>
          ))}
        </p>
      </section>
      {!readonly && <Import app={app} collection={collection} all={all} own={own} onClose={onClose} />}
    </aside>
  );
}

function download(format: Format, collection: string, docs: readonly Doc[]): void {
  const [type, ending] = {
    JSON: ["application/json", "json"],
    NDJSON: ["application/x-ndjson", "ndjson"],
    CSV: ["text/csv", "csv"],
    Markdown: ["text/markdown", "md"],
  }[format] as [string, string];
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([textIn(format, docs)], { type }));
  link.download = `${collection.replace(/[^\w.-]+/g, "_")}.${ending}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function Import({ app, collection, all, own, onClose }: Omit<Props, "docs" | "readonly">): ReactNode {
  const [rows, setRows] = useState<Row[]>([]);
  const [problem, setProblem] = useState("");
  const [key, setKey] = useState("_id");
  const [done, setDone] = useState<number | null>(null);
  const names = useMemo(() => [...new Set(rows.slice(0, 200).flatMap((row) => Object.keys(row)))], [rows]);
  const { plan, refused } = useMemo(() => {
    try {
      return { plan: planOf(rows, all, key), refused: "" };
    } catch (error) {
      return { plan: planOf([], [], ""), refused: error instanceof Error ? error.message : String(error) };
    }
  }, [rows, all, key]);

  const read = async (file: File | undefined): Promise<void> => {
    setRows([]);
    setProblem("");
    if (!file) return;
    try {
      if (file.size > mostBytes) throw new Error("The file is over 200 MiB: split it.");
      const found = rowsIn(await file.text(), file.name);
      setKey(found.every((row) => typeof row["_id"] === "string") ? "_id" : "");
      setRows(found);
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
  };
  const go = async (): Promise<void> => {
    const { steps, inserted, changed, same } = plan;
    const report = `Imported: ${inserted} new, ${changed} changed, ${same} as they were.`;
    const imported = await own.run(report, async () => {
      await carryOut(app, collection, steps, setDone);
      return steps;
    });
    setDone(null);
    if (imported) onClose();
  };
  return (
    <>
      <section className="fields">
        <label>
          File
          <input
            type="file"
            accept=".json,.ndjson,.jsonl,.csv"
            onChange={(e) => void read(e.currentTarget.files?.[0])}
          />
        </label>
        <label>
          Key
          <select value={key} onChange={(e) => setKey(e.target.value)}>
            <option value="">none: all are new</option>
            {names.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
      </section>
      {(problem || refused) && (
        <p role="alert" className="error fields">
          {problem || refused}
        </p>
      )}
      <ol className="preview" aria-label="What the import does">
        {rows.length > 0 && (
          <li>
            {plan.inserted} new, {plan.changed} changed, {plan.same} as they are
          </li>
        )}
        {plan.steps.slice(0, shown).map(({ docId, before, after }) => (
          <li key={docId}>
            <code>
              {before ? "~" : "+"} {docId}
            </code>
            <span dir="auto">{JSON.stringify(after).slice(0, 200)}</span>
          </li>
        ))}
      </ol>
      <footer>
        <button
          className="main"
          disabled={plan.steps.length === 0 || done !== null}
          onClick={() => void go()}
        >
          {done === null
            ? `Import ${plan.steps.length.toLocaleString()} documents`
            : `${done.toLocaleString()} of ${plan.steps.length.toLocaleString()}…`}
        </button>
      </footer>
    </>
  );
}
