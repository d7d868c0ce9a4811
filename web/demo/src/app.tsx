import { useEffect, useRef, useState, type FormEvent, type ReactNode } from "react";
import { createRoot } from "react-dom/client";
import { useCollection } from "../../second-sdk.js";

interface Lead {
  name: string;
  company?: string;
  stage?: string;
  sentAt?: number;
  by?: string;
}

interface Note {
  lead: string;
  text: string;
  by: string;
  sentAt: number;
}

type Stored<T> = T & { _id: string };

const me = window.name || "me";
const stages = ["new", "talking", "won", "lost"];
const signed = (): { by: string; sentAt: number } => ({ by: me, sentAt: Date.now() });

/**
 * How long the newest change of another view took to get here, by the one clock of this machine. What
 * is there when the view becomes live is no news.
 */
function useLatency(docs: { by?: string; sentAt?: number }[], live: boolean): number | null {
  const seen = useRef(0);
  const [latency, setLatency] = useState<number | null>(null);
  useEffect(() => {
    if (!live) {
      seen.current = 0;
      return;
    }
    const newest = docs.reduce((last, { by, sentAt = 0 }) => (by !== me && sentAt > last ? sentAt : last), 0);
    if (newest > seen.current && seen.current > 0) setLatency(Math.max(0, Date.now() - newest));
    seen.current = Math.max(newest, seen.current, 1);
  }, [docs, live]);
  return latency;
}

function App(): ReactNode {
  const { data, loading, status, pending, error, insert, update, remove } = useCollection<Lead>("leads");
  const [open, setOpen] = useState<string | null>(null);
  const [failure, setFailure] = useState("");
  const latency = useLatency(data, status === "live");
  const lead = data.find((one) => one._id === open) ?? null;
  const tell = (write: Promise<unknown>): void => {
    write.then(
      () => setFailure(""),
      (cause: Error) => setFailure(cause.message),
    );
  };
  const add = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = event.currentTarget;
    const name = String(new FormData(form).get("name")).trim();
    if (name) tell(insert({ name, stage: "new", ...signed() }));
    form.reset();
  };
  return (
    <div className="app" data-open={lead !== null}>
      <div className="bar">
        <h1>
          Leads <span>{data.length}</span>
        </h1>
        <output data-status={status} title="How long the last change of another view took to get here">
          {status}
          {pending > 0 && `, ${pending} to store`}
          {latency !== null && status === "live" && ` · ${latency} ms`}
        </output>
      </div>
      <div className="list">
        <form onSubmit={add}>
          <input
            name="name"
            aria-label="Name of a new lead"
            placeholder="A new lead"
            autoComplete="off"
            required
          />
          <button>Add</button>
        </form>
        {(failure || error) && (
          <p className="error" role="alert">
            {failure || error?.message}
          </p>
        )}
        {!loading && data.length === 0 && (
          <p className="empty">No leads yet. Add one, or take the samples above.</p>
        )}
        <ul>
          {data.map((one) => (
            <Row key={one._id} lead={one} current={one._id === open} choose={() => setOpen(one._id)} />
          ))}
        </ul>
      </div>
      {lead && (
        <Details
          key={lead._id}
          lead={lead}
          back={() => setOpen(null)}
          change={(fields) => tell(update(lead._id, { ...fields, ...signed() }))}
          drop={() => (setOpen(null), tell(remove(lead._id)))}
        />
      )}
    </div>
  );
}

function Row({ lead, current, choose }: { lead: Stored<Lead>; current: boolean; choose(): void }): ReactNode {
  const name = text(lead.name);
  return (
    <li>
      <button aria-current={current} onClick={choose}>
        <i aria-hidden="true" data-hue={[...name].reduce((sum, c) => sum + c.charCodeAt(0), 0) % 6}>
          {initials(name)}
        </i>
        <span>
          <b>{name}</b>
          <small>{text(lead.company) || "No company"}</small>
        </span>
        <em data-stage={lead.stage}>{text(lead.stage) || "new"}</em>
      </button>
    </li>
  );
}

interface DetailsProps {
  lead: Stored<Lead>;
  back(): void;
  change(fields: Partial<Lead>): void;
  drop(): void;
}

function Details({ lead, back, change, drop }: DetailsProps): ReactNode {
  const notes = useCollection<Note>("notes");
  const mine = notes.data.filter((note) => note.lead === lead._id);
  const [failure, setFailure] = useState("");
  const add = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = event.currentTarget;
    const said = String(new FormData(form).get("text")).trim();
    if (said)
      notes
        .insert({ lead: lead._id, text: said, ...signed() })
        .catch((cause: Error) => setFailure(cause.message));
    form.reset();
  };
  return (
    <article aria-label={text(lead.name)}>
      <button className="back" onClick={back}>
        ‹ Leads
      </button>
      <h2>{text(lead.name)}</h2>
      <label>
        Company
        <input
          key={text(lead.company)}
          defaultValue={text(lead.company)}
          onBlur={({ target }) => target.value !== text(lead.company) && change({ company: target.value })}
        />
      </label>
      <label>
        Stage
        <select value={lead.stage ?? "new"} onChange={({ target }) => change({ stage: target.value })}>
          {stages.map((stage) => (
            <option key={stage}>{stage}</option>
          ))}
        </select>
      </label>
      <h3>Notes</h3>
      <form onSubmit={add}>
        <input name="text" aria-label="A new note" placeholder="A new note" autoComplete="off" required />
        <button>Note</button>
      </form>
      {failure && (
        <p className="error" role="alert">
          {failure}
        </p>
      )}
      <ol>
        {mine.map((note) => (
          <li key={note._id}>
            <p>{text(note.text)}</p>
            <small>{text(note.by)}</small>
          </li>
        ))}
      </ol>
      <button className="drop" onClick={drop}>
        Delete this lead
      </button>
    </article>
  );
}

/** Others may have stored anything. */
const text = (value: unknown): string =>
  typeof value === "string" ? value : value === undefined ? "" : JSON.stringify(value);

const initials = (name: string): string =>
  name
    .split(/\s+/)
    .map((word) => word[0] ?? "")
    .slice(0, 2)
    .join("")
    .toUpperCase();

createRoot(document.getElementById("root") as HTMLElement).render(<App />);
