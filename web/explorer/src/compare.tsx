import { connect, type Doc } from "@secondgate/core";
import { useEffect, useMemo, useState, type ReactNode } from "react";
import { changedFields, dataOf, textOf } from "./data.js";
import { useLive } from "./live.js";
import { carryOut, stepTo, type Own, type Step } from "./own.js";
import type { Place } from "./place.js";
import { token } from "./rest.js";

/** How many differences are shown. */
const shown = 100;

interface Props {
  place: Place;
  collection: string;
  /** The collection here. */
  docs: readonly Doc[];
  own: Own;
  readonly: boolean;
  onClose(): void;
}

/** The difference between the draft's collection and the published one, live, and a copy from here to there. */
export default function ComparePanel({ place, collection, docs, own, readonly, onClose }: Props): ReactNode {
  const there = place.version === "draft" ? "published" : "draft";
  const app = useMemo(() => {
    const other = { ...place, version: there } as const;
    return connect(token() ? { ...other, token } : other);
  }, [place, there]);
  useEffect(() => () => app.close(), [app]);
  const other = useLive(app, collection, false);
  const [deletes, setDeletes] = useState(false);
  const found = useMemo(() => differences(docs, other.data), [docs, other.data]);
  const steps = found.filter((step) => deletes || step.after);
  const count = `${steps.length.toLocaleString()} document${steps.length === 1 ? "" : "s"}`;
  const copy = async (): Promise<void> => {
    await own.run(`Changed ${count} of the ${there} collection.`, async () => {
      await carryOut(app, collection, steps);
      return []; // undo is for what is here
    });
  };
  return (
    <aside aria-label={`Compared with ${there}`}>
      <header>
        <h2>Compared with {there}</h2>
        <button className="plain" onClick={onClose} aria-label="Close">
          ✕
        </button>
      </header>
      {other.error && (
        <p role="alert" className="error fields">
          {other.error.message}
        </p>
      )}
      {other.status === "loading" && <p className="fields empty">It is read…</p>}
      <ol className="preview" aria-label="Differences">
        {other.status !== "loading" && found.length === 0 && <li className="empty">They are the same.</li>}
        {found.slice(0, shown).map((step) => (
          <Difference key={step.docId} step={step} there={there} />
        ))}
        {found.length > shown && (
          <li className="empty">and {(found.length - shown).toLocaleString()} more</li>
        )}
      </ol>
      {!readonly && (
        <footer>
          <label className="check">
            <input type="checkbox" checked={deletes} onChange={(e) => setDeletes(e.target.checked)} /> delete
            what is only there
          </label>
          <button
            className="main"
            disabled={steps.length === 0 || other.status !== "live"}
            onClick={() => void copy()}
          >
            Change {count} there
          </button>
        </footer>
      )}
    </aside>
  );
}

function Difference({ step, there }: { step: Step; there: string }): ReactNode {
  const { docId, before, after } = step;
  const fields = before && after ? fieldsThatDiffer(dataOf(before), after) : [];
  return (
    <li>
      <code>{docId}</code>
      {!before && <span>only here</span>}
      {!after && <span>only in {there}</span>}
      {fields.map((name) => (
        <span key={name} dir="auto">
          {name}: <del>{short(before && dataOf(before)[name])}</del> → <ins>{short(after?.[name])}</ins>
        </span>
      ))}
    </li>
  );
}

/** What makes the collection there what it is here. A field that is null is one that is not there: see stepTo. */
function differences(here: readonly Doc[], there: readonly Doc[]): Step[] {
  const others = new Map(there.map((doc) => [doc._id, doc]));
  const steps: Step[] = [];
  for (const doc of here) {
    const other = others.get(doc._id);
    others.delete(doc._id);
    if (!other) steps.push({ docId: doc._id, before: null, after: dataOf(doc) });
    else if (Object.keys(changedFields(textOf(other), dataOf(doc))).length > 0)
      steps.push(stepTo(other, dataOf(doc)));
  }
  for (const doc of others.values()) steps.push({ docId: doc._id, before: doc, after: null });
  return steps;
}

const fieldsThatDiffer = (a: Record<string, unknown>, b: Record<string, unknown>): string[] =>
  [...new Set([...Object.keys(a), ...Object.keys(b)])].filter(
    (name) => JSON.stringify(a[name] ?? null) !== JSON.stringify(b[name] ?? null),
  );

const short = (value: unknown): string => (JSON.stringify(value) ?? "—").slice(0, 80);
