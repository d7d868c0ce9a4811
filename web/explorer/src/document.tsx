import type { Doc, Second } from "@secondgate/core";
import { useEffect, useMemo, useState, type ReactNode } from "react";
import { CopyAs } from "./copy.js";
import type { Place } from "./place.js";
import { Trail } from "./trail.js";

export const readonly = document.documentElement.hasAttribute("data-readonly");

/** A document's data without what the gateway adds, as it is edited. */
export function dataOf(doc: Doc): Record<string, unknown> {
  return Object.fromEntries(Object.entries(doc).filter(([name]) => !name.startsWith("_")));
}

const textOf = (doc: Doc | null): string => JSON.stringify(doc ? dataOf(doc) : {}, null, 2);
const revOf = (doc: Doc | null): string => String((doc as { _rev?: string } | null)?._rev ?? "");

interface Props {
  app: Second;
  place: Place;
  collection: string;
  /** null: a new one is being made. */
  doc: Doc | null;
  onOpen(docId: string): void;
  onClose(): void;
}

/** One document: its JSON to edit, and its history. */
export function DocumentPanel({ app, place, collection, doc, onOpen, onClose }: Props): ReactNode {
  const [tab, setTab] = useState<"json" | "history">("json");
  return (
    <aside aria-label={doc ? `Document ${doc._id}` : "A new document"}>
      <header>
        <h2>{doc ? doc._id : "New document"}</h2>
        <button className="plain" onClick={onClose} aria-label="Close">✕</button>
      </header>
      {doc && (
        <nav>
          <button aria-pressed={tab === "json"} onClick={() => setTab("json")}>JSON</button>
          <button aria-pressed={tab === "history"} onClick={() => setTab("history")}>History</button>
          <CopyAs place={place} collection={collection} doc={doc} />
        </nav>
      )}
      {doc && tab === "history"
        ? <Trail place={place} targetId={doc._id} seen={revOf(doc)} />
        : <Editor key={doc?._id ?? ""} app={app} collection={collection} doc={doc} onOpen={onOpen} onClose={onClose} />}
      {doc && <footer>created {timeOf(doc._createdAt)}, changed {timeOf(doc._updatedAt)}</footer>}
    </aside>
  );
}

export const timeOf = (iso = ""): string => (iso ? new Date(iso).toLocaleString() : "—");

function Editor({ app, collection, doc, onOpen, onClose }: Omit<Props, "place">): ReactNode {
  const [base, setBase] = useState({ text: textOf(doc), rev: revOf(doc) });
  const [text, setText] = useState(base.text);
  const [failed, setFailed] = useState("");
  const [sure, setSure] = useState(false);
  const dirty = text !== base.text;
  const moved = doc !== null && revOf(doc) !== base.rev && textOf(doc) !== base.text;
  useEffect(() => { // an editor without changes follows the document
    if (!dirty && moved) {
      setBase({ text: textOf(doc), rev: revOf(doc) });
      setText(textOf(doc));
    }
  }, [dirty, moved, doc]);
  const problem = useMemo(() => problemOf(text), [text]);
  const collectionOf = app.collection(collection);

  const run = async (work: () => Promise<unknown>): Promise<void> => {
    setFailed("");
    try {
      await work();
    } catch (error) {
      setFailed(error instanceof Error ? error.message : String(error));
    }
  };
  const save = (rev: string): Promise<void> => run(async () => {
    const data = JSON.parse(text) as Record<string, unknown>;
    if (!doc) {
      onOpen((await collectionOf.insert(data))._id);
      return;
    }
    await app.batch([{ operation: "update", collection, docId: doc._id, data: changedFields(base.text, data), ifRev: rev }]);
    setBase({ text, rev: "" }); // what comes next is the document's own
  });
  return (
    <div className="editor">
      {moved && dirty && (
        <p role="alert" className="banner">Somebody has changed this document since you began to edit it.
          <button onClick={() => { setBase({ text: textOf(doc), rev: revOf(doc) }); setText(textOf(doc)); }}>Take theirs</button>
          <button onClick={() => setBase({ text: textOf(doc), rev: revOf(doc) })}>Keep mine</button>
        </p>
      )}
      <textarea aria-label="JSON" spellCheck={false} readOnly={readonly} value={text} onChange={(e) => setText(e.target.value)}
        onKeyDown={(e) => { if (e.key === "s" && (e.ctrlKey || e.metaKey)) { e.preventDefault(); if (dirty && !problem) void save(base.rev); } }} />
      {(problem || failed) && <p role="alert" className="error">{problem || failed}</p>}
      {!readonly && (
        <div className="actions">
          <button className="main" disabled={!!problem || (doc !== null && (!dirty || moved))} onClick={() => void save(base.rev)}>
            {doc ? "Save" : "Insert"}
          </button>
          {doc && <button onClick={() => void run(async () => onOpen((await collectionOf.insert(dataOf(doc)))._id))}>Duplicate</button>}
          {doc && !sure && <button className="bad" onClick={() => setSure(true)}>Delete…</button>}
          {doc && sure && (
            <button className="bad" onClick={() => void run(async () => { await collectionOf.remove(doc._id); onClose(); })}>
              Delete it
            </button>
          )}
        </div>
      )}
    </div>
  );
}

/** Why text cannot be saved; empty if it can. */
function problemOf(text: string): string {
  try {
    const data: unknown = JSON.parse(text);
    if (typeof data !== "object" || data === null || Array.isArray(data)) return "A document is a JSON object.";
    const own = Object.keys(data).find((name) => name.startsWith("_"));
    return own ? `The name ${own} is the gateway's: names of fields do not begin with an underscore.` : "";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** The fields that differ. The gateway removes none: a field that is gone from the text becomes null. */
function changedFields(before: string, data: Record<string, unknown>): Record<string, unknown> {
  const old = JSON.parse(before) as Record<string, unknown>;
  const changed = Object.entries(data).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(old[name]));
  const gone = Object.keys(old).filter((name) => !(name in data)).map((name): [string, unknown] => [name, null]);
  return Object.fromEntries([...changed, ...gone]);
}
