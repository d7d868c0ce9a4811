import type { Doc } from "@secondgate/core";
import { useLayoutEffect, useMemo, useRef, useState, type KeyboardEvent, type ReactNode } from "react";
import type { Author } from "./authors.js";
import { CellEditor } from "./cell.js";
import { cellOf, columnsOf, compare, type Column } from "./columns.js";

/** The height of a row in px, as in explorer.css, and how many rows beyond the visible ones are there. */
const rowHeight = 34;
const beyond = 10;
/** The least widths of the columns, in px. */
const idWidth = 200;
const cellWidth = 130;
const changedWidth = 170;

interface Props {
  docs: readonly Doc[];
  marked: ReadonlySet<string>;
  open: string;
  onOpen(docId: string): void;
  authorOf(docId: string): Author | undefined;
  /** Gives a field another value; not where writes are not offered. */
  onEdit?: ((doc: Doc, name: string, value: unknown) => void) | undefined;
}

/** A grid of documents, of which only the visible rows are elements. */
export function Table({ docs, marked, open, onOpen, authorOf, onEdit }: Props): ReactNode {
  const columns = useMemo(() => columnsOf(docs), [docs]);
  const [order, setOrder] = useState<{ by: string; down: boolean } | null>(null);
  const sorted = useMemo(() => sortedBy(docs, order), [docs, order]);
  const [view, setView] = useState({ top: 0, height: 600 });
  const [active, setActive] = useState(0);
  const [column, setColumn] = useState(0); // 0 is the id
  const [edited, setEdited] = useState<{ docId: string; name: string } | null>(null);
  const box = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const measure = (): void => {
      if (box.current) setView({ top: box.current.scrollTop, height: box.current.clientHeight });
    };
    measure();
    addEventListener("resize", measure);
    return () => removeEventListener("resize", measure);
  }, []);

  const first = Math.max(0, Math.floor(view.top / rowHeight) - beyond);
  const last = Math.min(sorted.length, Math.ceil((view.top + view.height) / rowHeight) + beyond);
  const go = (row: number): void => {
    const to = Math.max(0, Math.min(sorted.length - 1, row));
    setActive(to);
    const above = to * rowHeight;
    if (!box.current) return;
    if (above < box.current.scrollTop) box.current.scrollTop = above;
    const below = above + 2 * rowHeight - box.current.clientHeight;
    if (below > box.current.scrollTop) box.current.scrollTop = below;
  };
  const onKeyDown = (e: KeyboardEvent): void => {
    const page = Math.max(1, Math.floor(view.height / rowHeight) - 1);
    const to = {
      ArrowDown: active + 1,
      ArrowUp: active - 1,
      PageDown: active + page,
      PageUp: active - page,
      Home: 0,
      End: sorted.length - 1,
    }[e.key];
    const doc = sorted[active];
    const aside = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
    const name = columns[column - 1]?.name;
    if (to !== undefined) go(to);
    else if (aside) setColumn(Math.max(0, Math.min(columns.length, column + aside)));
    else if (e.key === "F2" && doc && name && onEdit) setEdited({ docId: doc._id, name });
    else if (e.key === "Enter" && doc && e.target === box.current) onOpen(doc._id);
    else return;
    e.preventDefault();
  };
  const template = `${idWidth}px ${changedWidth}px ${`minmax(${cellWidth}px, 1fr) `.repeat(columns.length)}`;
  const minWidth = idWidth + cellWidth * columns.length + changedWidth;
  const done = (doc: Doc, name: string, given?: { value: unknown }): void => {
    setEdited(null);
    box.current?.focus();
    if (given) onEdit?.(doc, name, given.value);
  };
  return (
    <div
      className="grid"
      role="grid"
      aria-label="Documents"
      aria-rowcount={sorted.length + 1}
      tabIndex={0}
      aria-activedescendant={sorted[active] ? `cell-${active}-${column}` : undefined}
      ref={box}
      onKeyDown={onKeyDown}
      onScroll={(e) => setView({ top: e.currentTarget.scrollTop, height: e.currentTarget.clientHeight })}
    >
      <Head columns={columns} template={template} minWidth={minWidth} order={order} onOrder={setOrder} />
      <div className="rows" role="rowgroup" style={{ height: sorted.length * rowHeight, minWidth }}>
        {sorted.slice(first, last).map((doc, i) => (
          <div
            key={doc._id}
            id={`row-${first + i}`}
            role="row"
            aria-rowindex={first + i + 2}
            className="row"
            aria-selected={doc._id === open}
            data-active={first + i === active}
            data-marked={marked.has(doc._id)}
            style={{ top: (first + i) * rowHeight, gridTemplateColumns: template }}
            onClick={() => {
              setActive(first + i);
              onOpen(doc._id);
            }}
          >
            <span role="gridcell" className="id" id={`cell-${first + i}-0`}>
              {doc._id}
            </span>
            <Changed at={doc._updatedAt} by={authorOf(doc._id)} />
            {columns.map(({ name, kind }, at) => (
              <span
                key={name}
                role="gridcell"
                id={`cell-${first + i}-${at + 1}`}
                data-kind={kind}
                data-active={first + i === active && at + 1 === column}
                dir="auto"
                onClick={() => setColumn(at + 1)}
                onDoubleClick={() => onEdit && setEdited({ docId: doc._id, name })}
              >
                {edited?.docId === doc._id && edited.name === name ? (
                  <CellEditor
                    name={name}
                    value={(doc as Record<string, unknown>)[name]}
                    onDone={(given) => done(doc, name, given)}
                  />
                ) : (
                  cellOf((doc as Record<string, unknown>)[name])
                )}
              </span>
            ))}
          </div>
        ))}
      </div>
    </div>
  );
}

/** When a document was changed, and if that was seen here, by whom. */
function Changed({ at = "", by }: { at: string | undefined; by: Author | undefined }): ReactNode {
  const when = new Date(at);
  const today = when.toDateString() === new Date().toDateString();
  return (
    <span role="gridcell" className="changed" title={by?.id}>
      <time dateTime={at}>{at && (today ? when.toLocaleTimeString() : when.toLocaleDateString())}</time>
      {by && (
        <em className="who" data-kind={by.name}>
          {by.name}
        </em>
      )}
    </span>
  );
}

function sortedBy(docs: readonly Doc[], order: { by: string; down: boolean } | null): readonly Doc[] {
  if (!order) return docs;
  const of = (doc: Doc): unknown => (doc as Record<string, unknown>)[order.by];
  return [...docs].sort((a, b) => (order.down ? -1 : 1) * compare(of(a), of(b)));
}

function Head({
  columns,
  template,
  minWidth,
  order,
  onOrder,
}: {
  columns: Column[];
  template: string;
  minWidth: number;
  order: { by: string; down: boolean } | null;
  onOrder(order: { by: string; down: boolean } | null): void;
}): ReactNode {
  const next = (by: string): void =>
    onOrder(order?.by !== by ? { by, down: false } : order.down ? null : { by, down: true });
  return (
    <div className="head" role="rowgroup" style={{ minWidth }}>
      <div role="row" aria-rowindex={1} style={{ gridTemplateColumns: template }}>
        {[{ name: "_id", kind: "id" }, { name: "_updatedAt", kind: "" }, ...columns].map(({ name, kind }) => (
          <span
            key={name}
            role="columnheader"
            data-kind={kind}
            aria-sort={order?.by === name ? (order.down ? "descending" : "ascending") : "none"}
          >
            <button onClick={() => next(name)}>
              {name === "_updatedAt" ? "changed" : name} <small>{kind}</small>
            </button>
          </span>
        ))}
      </div>
    </div>
  );
}
