import { useEffect, useState, type ReactNode } from "react";
import { readonly, timeOf } from "./document.js";
import type { Place } from "./place.js";
import { Refused, rowsOf, said, undo, type Row } from "./rest.js";

/** Who changed what: of a document, or of the app where targetId is empty. */
export function Trail({
  place,
  targetId,
  seen,
  onOpen,
}: {
  place: Place;
  targetId: string;
  seen: string;
  onOpen?: (collection: string, docId: string) => void;
}): ReactNode {
  const [rows, setRows] = useState<Row[] | null>(null);
  const [told, setTold] = useState("");
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    let current = true;
    rowsOf(place, targetId).then(
      (found) => current && setRows(found),
      (error: unknown) => current && setTold(error instanceof Refused ? error.message : String(error)),
    );
    return () => {
      current = false;
    };
  }, [place, targetId, seen, turn]);
  const take = async (row: Row): Promise<void> => {
    try {
      const { documents } = await undo(place, said(row, "ChangeSet"));
      setTold(
        documents === 1
          ? "One document is as it was before."
          : `${documents} documents are as they were before.`,
      );
    } catch (error) {
      setTold(error instanceof Error ? error.message : String(error));
    }
    setTurn((n) => n + 1);
  };
  return (
    <div className="trail">
      {told && <p role="status">{told}</p>}
      {rows?.length === 0 && <p className="empty">Nothing is in the audit trail.</p>}
      <ol>
        {rows?.map((row) => (
          <li key={row.id}>
            <span className="who" data-kind={row.actor.kind}>
              {row.actor.name ?? row.actor.kind}
            </span>
            <span className="what" dir="auto">
              {row.action}
              {targetId ? "" : " "}
              {!targetId && <Target row={row} onOpen={onOpen} />}
              {row.outcome !== "success" && <em> {row.outcome}</em>}
              {row.changedFields && <small>{row.changedFields.join(", ")}</small>}
            </span>
            <time dateTime={row.occurredAt}>{timeOf(row.occurredAt)}</time>
            {!readonly && said(row, "ChangeSet") && (
              <button
                onClick={() => void take(row)}
                title="Makes every document of this change set what it was before it"
              >
                Undo
              </button>
            )}
          </li>
        ))}
      </ol>
    </div>
  );
}

function Target({
  row,
  onOpen,
}: {
  row: Row;
  onOpen: ((collection: string, docId: string) => void) | undefined;
}): ReactNode {
  const name = row.target.name ?? row.target.id;
  const [collection, ...rest] = name.split(" / ");
  if (!onOpen || rest.length === 0) return name;
  return (
    <button className="link" onClick={() => onOpen(collection ?? "", row.target.id)}>
      {name}
    </button>
  );
}
