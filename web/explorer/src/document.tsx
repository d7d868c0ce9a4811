import type { Doc, Second } from "@secondgate/core";
import { useEffect, useMemo, useState, type ReactNode } from "react";
import { CopyAs } from "./copy.js";
import { changedFields, dataOf, problemOf, revOf, sameData, textOf } from "./data.js";
import type { Place } from "./place.js";
import { Trail } from "./trail.js";

export const readonly = document.documentElement.hasAttribute("data-readonly");

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

function Editor({ app, collection, doc, onOpen, onClose }: Omit<Props, "place">): ReactNode {
  const [base, setBase] = useState({ text: textOf(doc), rev: revOf(doc) });
  const [text, setText] = useState(base.text);
  const [failed, setFailed] = useState("");
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

  const run = async (work: () => Promise<unknown>): Promise<void> => {
    setFailed("");
    try {
      await work();
    } catch (error) {
      setFailed(error instanceof Error ? error.message : String(error));
    }
  };
  const save = (rev: string): Promise<void> =>
    run(async () => {
      const data = JSON.parse(text) as Record<string, unknown>;
      if (!doc) {
        onOpen((await collectionOf.insert(data))._id);
        return;
      }
      await app.batch([
        { operation: "update", collection, docId: doc._id, data: changedFields(base.text, data), ifRev: rev },
      ]);
      setBase({ text, rev });
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
            if (dirty && !problem && !theirs) void save(base.rev);
          }
        }}
      />
      {(problem || failed) && (
        <p role="alert" className="error">
          {problem || failed}
        </p>
      )}
      {!readonly && (
        <div className="actions">
          <button
            className="main"
            disabled={!!problem || (doc !== null && (!dirty || theirs))}
            onClick={() => void save(base.rev)}
          >
            {doc ? "Save" : "Insert"}
          </button>
          {doc && (
            <button
              onClick={() => void run(async () => onOpen((await collectionOf.insert(dataOf(doc)))._id))}
            >
              Duplicate
            </button>
          )}
          {doc && !sure && (
            <button className="bad" onClick={() => setSure(true)}>
              Delete…
            </button>
          )}
          {doc && sure && (
            <button
              className="bad"
              onClick={() =>
                void run(async () => {
                  await collectionOf.remove(doc._id);
                  onClose();
                })
              }
            >
              Delete it
            </button>
          )}
        </div>
      )}
    </div>
  );
}
