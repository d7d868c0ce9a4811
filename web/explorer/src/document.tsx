import type { Doc, Second } from "@secondgate/core";
import { useEffect, useMemo, useState, type ReactNode } from "react";
import { CopyAs } from "./copy.js";
import { dataOf, problemOf, revOf, sameData, textOf } from "./data.js";
import { carryOut, stepTo, type Own } from "./own.js";
import type { Place } from "./place.js";
import { Trail } from "./trail.js";

export const readonly = document.documentElement.hasAttribute("data-readonly");

interface Props {
  app: Second;
  place: Place;
  collection: string;
  /** null: a new one is being made. */
  doc: Doc | null;
  own: Own;
  onOpen(docId: string): void;
  onClose(): void;
}

/** One document: its JSON to edit, and its history. */
export function DocumentPanel({ app, place, collection, doc, own, onOpen, onClose }: Props): ReactNode {
  const [tab, setTab] = useState<"json" | "history">("json");
  return (
    <aside aria-label={doc ? `Document ${doc._id}` : "A new document"}>
      <header>
        <h2>{doc ? doc._id : "New document"}</h2>
        <button className="plain" onClick={onClose} aria-label="Close">
          ✕
        </button>
      </header>
      {doc && (
        <nav>
          <button aria-pressed={tab === "json"} onClick={() => setTab("json")}>
            JSON
          </button>
          <button aria-pressed={tab === "history"} onClick={() => setTab("history")}>
            History
          </button>
          <CopyAs place={place} collection={collection} doc={doc} />
        </nav>
      )}
      {doc && tab === "history" ? (
        <Trail place={place} targetId={doc._id} seen={revOf(doc)} />
      ) : (
        <Editor
          key={doc?._id ?? ""}
          app={app}
          collection={collection}
          doc={doc}
          own={own}
          onOpen={onOpen}
          onClose={onClose}
        />
      )}
      {doc && (
        <footer>
          created {timeOf(doc._createdAt)}, changed {timeOf(doc._updatedAt)}
        </footer>
      )}
    </aside>
  );
}

export const timeOf = (iso = ""): string => (iso ? new Date(iso).toLocaleString() : "—");

function Editor({ app, collection, doc, own, onOpen, onClose }: Omit<Props, "place">): ReactNode {
  const [base, setBase] = useState({ text: textOf(doc), rev: revOf(doc) });
  const [text, setText] = useState(base.text);
  const [sure, setSure] = useState(false);
  const dirty = text !== base.text;
  const newer = doc !== null && revOf(doc) !== base.rev;
  const theirs = newer && !sameData(base.text, doc) && !sameData(text, doc);
  const follow = (): void => {
    setBase({ text: textOf(doc), rev: revOf(doc) });
    setText(textOf(doc));
  };
  useEffect(() => {
    // The data is as it was, or as it stands here: after a save of one's own.
    if (newer && !theirs) setBase({ text: sameData(text, doc) ? text : base.text, rev: revOf(doc) });
    else if (theirs && !dirty) follow();
  }, [newer, theirs, dirty, doc]);
  const problem = useMemo(() => problemOf(text), [text]);
  const collectionOf = app.collection(collection);

  const insert = (what: string, data: Record<string, unknown>): Promise<boolean> =>
    own.run(what, async () => {
      const { _id: docId } = await collectionOf.insert(data);
      onOpen(docId);
      return [{ docId, before: null, after: data }];
    });
  const save = async (): Promise<void> => {
    const data = JSON.parse(text) as Record<string, unknown>;
    if (!doc) return void insert("Inserted.", data);
    const step = stepTo(doc, data);
    const saved = await own.run("Saved.", async () => {
      await carryOut(app, collection, [step]);
      return [step];
    });
    if (saved) setBase({ text, rev: revOf(doc) });
  };
  const remove = (doc: Doc): Promise<boolean> =>
    own.run("Deleted.", async () => {
      const step = { docId: doc._id, before: doc, after: null };
      await carryOut(app, collection, [step]);
      onClose();
      return [step];
    });
  return (
    <div className="editor">
      {theirs && dirty && (
        <p role="alert" className="banner">
          Somebody has changed this document since you began to edit it.
          <button onClick={follow}>Take theirs</button>
          <button onClick={() => setBase({ text: textOf(doc), rev: revOf(doc) })}>Keep mine</button>
        </p>
      )}
      <textarea
        aria-label="JSON"
        spellCheck={false}
        readOnly={readonly}
        value={text}
        onChange={(e) => setText(e.target.value)}
        onKeyDown={(e) => {
          if (e.key === "s" && (e.ctrlKey || e.metaKey)) {
            e.preventDefault();
            if (dirty && !problem && !theirs) void save();
          }
        }}
      />
      {problem && (
        <p role="alert" className="error">
          {problem}
        </p>
      )}
      {!readonly && (
        <div className="actions">
          <button
            className="main"
            disabled={!!problem || (doc !== null && (!dirty || theirs))}
            onClick={() => void save()}
          >
            {doc ? "Save" : "Insert"}
          </button>
          {doc && <button onClick={() => void insert("Duplicated.", dataOf(doc))}>Duplicate</button>}
          {doc && !sure && (
            <button className="bad" onClick={() => setSure(true)}>
              Delete…
            </button>
          )}
          {doc && sure && (
            <button className="bad" onClick={() => void remove(doc)}>
              Delete it
            </button>
          )}
        </div>
      )}
    </div>
  );
}
