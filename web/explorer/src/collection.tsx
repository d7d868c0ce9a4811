import type { Doc, Second } from "@secondgate/core";
import { lazy, Suspense, useMemo, useState, type ReactNode } from "react";
import type { Authors } from "./authors.js";
import { BulkPanel } from "./bulk.js";
import { matches } from "./columns.js";
import { dataOf } from "./data.js";
import { DocumentPanel, readonly } from "./document.js";
import { useLive } from "./live.js";
import { carryOut, stepTo, useOwn } from "./own.js";
import type { Place } from "./place.js";
import { Table } from "./table.js";

// What few need is loaded when it is.
const TransferPanel = lazy(() => import("./transfer.js"));
const ComparePanel = lazy(() => import("./compare.js"));

interface Props {
  app: Second;
  place: Place;
  authors: Authors;
  name: string;
  docId: string;
  /** A new document is being made. */
  making: boolean;
  onOpen(docId: string): void;
  onNew(): void;
}

/** A collection: its table, and beside it a document or what is done with many. */
export function CollectionView(props: Props): ReactNode {
  const { app, place, authors, name, docId, making, onOpen, onNew } = props;
  const [paused, setPaused] = useState(false);
  const [typed, setTyped] = useState("");
  const [panel, setPanel] = useState<"edit" | "delete" | "transfer" | "compare" | null>(null);
  const live = useLive(app, name, paused);
  const docs = useMemo(
    () => (typed.trim() ? live.data.filter((doc) => matches(doc, typed)) : live.data),
    [live.data, typed],
  );
  const doc = live.data.find((one) => one._id === docId) as Doc | undefined;
  const own = useOwn(app, name, live.data);
  const edit = (doc: Doc, field: string, value: unknown): void => {
    const step = stepTo(doc, { ...dataOf(doc), [field]: value });
    void own.run("Saved.", async () => {
      await carryOut(app, name, [step]);
      return [step];
    });
  };
  const many = typed.trim() && docs.length > 0 && !readonly;
  return (
    <>
      <main className="table">
        <div className="tools">
          <h2 dir="auto">{name}</h2>
          <output data-status={live.error ? "error" : live.status}>
            {live.error?.message ?? (paused ? "paused" : live.status)}
          </output>
          <input
            type="search"
            aria-label="Filter"
            placeholder="Filter: text, or field:text"
            value={typed}
            onChange={(e) => setTyped(e.target.value)}
          />
          <span className="count">
            {docs.length.toLocaleString()}
            {docs.length !== live.data.length && ` of ${live.data.length.toLocaleString()}`}
          </span>
          {many && <button onClick={() => setPanel("edit")}>Edit all…</button>}
          {many && <button onClick={() => setPanel("delete")}>Delete all…</button>}
          <button aria-pressed={paused} onClick={() => setPaused(!paused)}>
            {paused ? `Go on${live.missed ? ` · ${live.missed} new` : ""}` : "Pause"}
          </button>
          {!readonly && <button onClick={onNew}>New</button>}
          <button onClick={() => setPanel("compare")}>Compare…</button>
          <button onClick={() => setPanel("transfer")}>Export{!readonly && ", import"}…</button>
        </div>
        {own.told && (
          <p className="told" role={own.failed ? "alert" : "status"} data-failed={own.failed}>
            {own.told}
            {own.canUndo && <button onClick={own.undo}>Undo</button>}
            <button className="plain" aria-label="Dismiss" onClick={own.forget}>
              ✕
            </button>
          </p>
        )}
        {live.status !== "loading" && (
          <Table
            docs={docs}
            marked={live.marked}
            open={docId}
            onOpen={onOpen}
            authorOf={(id) => authors.of(name, id)}
            onEdit={readonly ? undefined : edit}
          />
        )}
      </main>
      {panel === "transfer" && (
        <Suspense>
          <TransferPanel
            app={app}
            collection={name}
            all={live.data}
            docs={docs}
            own={own}
            readonly={readonly}
            onClose={() => setPanel(null)}
          />
        </Suspense>
      )}
      {panel === "compare" && (
        <Suspense>
          <ComparePanel
            place={place}
            collection={name}
            docs={live.data}
            own={own}
            readonly={readonly}
            onClose={() => setPanel(null)}
          />
        </Suspense>
      )}
      {(panel === "edit" || panel === "delete") && (
        <BulkPanel
          key={panel}
          app={app}
          collection={name}
          docs={docs}
          what={panel}
          own={own}
          onClose={() => setPanel(null)}
        />
      )}
      {!panel && (making || doc) && (
        <DocumentPanel
          key={making ? "" : docId}
          app={app}
          place={place}
          collection={name}
          doc={making ? null : (doc ?? null)}
          own={own}
          onOpen={onOpen}
          onClose={() => onOpen("")}
        />
      )}
    </>
  );
}
