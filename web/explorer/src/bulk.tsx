import type { Doc, Second } from "@secondgate/core";
import { useMemo, useState, type ReactNode } from "react";
import { cellOf } from "./columns.js";
import { dataOf } from "./data.js";
import { carryOut, stepTo, type Own, type Step } from "./own.js";

/** How many documents a preview shows. */
const shown = 50;

interface Props {
  app: Second;
  collection: string;
  /** The documents that the filter leaves, as they were when the panel was opened. */
  docs: readonly Doc[];
  what: "edit" | "delete";
  own: Own;
  onClose(): void;
}

/** A change of many documents, which is shown before it is made. */
export function BulkPanel({ app, collection, docs: now, what, own, onClose }: Props): ReactNode {
  const [docs] = useState(now);
  const [field, setField] = useState("");
  const [text, setText] = useState("");
  const value = useMemo(() => valueOf(text), [text]);
  const steps = useMemo(
    () => (what === "delete" ? docs.map(deleting) : field ? setting(docs, field, value) : []),
    [docs, what, field, value],
  );
  const verb = what === "delete" ? "Delete" : "Change";
  const count = `${steps.length.toLocaleString()} document${steps.length === 1 ? "" : "s"}`;
  const go = async (): Promise<void> => {
    const done = await own.run(`${verb}d ${count}.`, async () => {
      await carryOut(app, collection, steps);
      return steps;
    });
    if (done) onClose();
  };
  return (
    <aside aria-label={`${verb} documents`}>
      <header>
        <h2>
          {verb} {docs.length.toLocaleString()} documents
        </h2>
        <button className="plain" onClick={onClose} aria-label="Close">
          ✕
        </button>
      </header>
      {what === "edit" && (
        <div className="fields">
          <label>
            Field <input value={field} onChange={(e) => setField(e.target.value.trim())} autoFocus />
          </label>
          <label>
            Value <input value={text} onChange={(e) => setText(e.target.value)} placeholder="text, or JSON" />
          </label>
        </div>
      )}
      <ol className="preview" aria-label="What will change">
        {steps.slice(0, shown).map(({ docId, before, after }) => (
          <li key={docId}>
            <code>{docId}</code>
            {after && (
              <span dir="auto">
                <del>{cellOf((before as Record<string, unknown> | null)?.[field]) || "—"}</del> →{" "}
                <ins>{cellOf(after[field])}</ins>
              </span>
            )}
          </li>
        ))}
        {steps.length > shown && (
          <li className="empty">and {(steps.length - shown).toLocaleString()} more</li>
        )}
        {steps.length === 0 && <li className="empty">{field ? "All have this value." : "Name a field."}</li>}
      </ol>
      <footer>
        <button
          className={what === "delete" ? "bad" : "main"}
          disabled={steps.length === 0}
          onClick={() => void go()}
        >
          {verb} {count}
        </button>
      </footer>
    </aside>
  );
}

const deleting = (doc: Doc): Step => ({ docId: doc._id, before: doc, after: null });

/** The steps of those documents whose field has another value. */
function setting(docs: readonly Doc[], field: string, value: unknown): Step[] {
  const is = JSON.stringify(value);
  return docs
    .filter((doc) => JSON.stringify((doc as Record<string, unknown>)[field]) !== is)
    .map((doc) => stepTo(doc, { ...dataOf(doc), [field]: value }));
}

/** What was typed: JSON if it is that, else a text. */
export function valueOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
