import { connect } from "@secondgate/core";
import { useCallback, useEffect, useMemo, useState, type FormEvent, type ReactNode } from "react";
import { createRoot } from "react-dom/client";
import { Authors } from "./authors.js";
import { CollectionView } from "./collection.js";
import { readonly } from "./document.js";
import { addressOf, placeOf, type Open, type Place } from "./place.js";
import { collectionsOf, keepToken, Refused, token, type Counted } from "./rest.js";
import { Trail } from "./trail.js";

/** How often the counts of collections are asked for, in ms. */
const countTime = 5000;

function Explorer(): ReactNode {
  const [at, setAt] = useState(() => placeOf(location.search));
  const [refused, setRefused] = useState("");
  useEffect(() => {
    const back = (): void => setAt(placeOf(location.search));
    addEventListener("popstate", back);
    return () => removeEventListener("popstate", back);
  }, []);
  const go = useCallback((place: Place, open: Open = {}): void => {
    history.pushState(null, "", addressOf(place, open));
    setAt({ place, open });
  }, []);
  const leave = useCallback((why: string): void => {
    setRefused(why);
    setAt({ place: null, open: {} });
  }, []);
  const enter = (place: Place): void => {
    setRefused("");
    go(place);
  };
  if (!at.place) return <Entrance refused={refused} onEnter={enter} />;
  return <Inside key={JSON.stringify(at.place)} place={at.place} open={at.open} go={go} onRefused={leave} />;
}

/** Where to look, and as whom. */
function Entrance({ refused, onEnter }: { refused: string; onEnter(place: Place): void }): ReactNode {
  const was = placeOf(location.search).place;
  const enter = (e: FormEvent<HTMLFormElement>): void => {
    e.preventDefault();
    const given = new FormData(e.currentTarget);
    const text = (name: string): string => String(given.get(name) ?? "").trim();
    keepToken(text("token"));
    onEnter({
      workspace: text("workspace"),
      app: text("app"),
      version: given.get("draft") ? "draft" : "published",
    });
  };
  return (
    <main className="entrance">
      <form onSubmit={enter}>
        <h1>Explorer</h1>
        {refused && (
          <p role="alert" className="error">
            {refused}
          </p>
        )}
        <label>
          Workspace{" "}
          <input
            name="workspace"
            required
            autoFocus
            defaultValue={was?.workspace ?? "demo"}
            autoComplete="off"
          />
        </label>
        <label>
          App <input name="app" required defaultValue={was?.app ?? "demo"} autoComplete="off" />
        </label>
        <label className="check">
          <input type="checkbox" name="draft" defaultChecked={was?.version === "draft"} /> the draft
        </label>
        <label>
          Token{" "}
          <input
            name="token"
            type="password"
            autoComplete="off"
            defaultValue={token()}
            placeholder="where the gateway asks for one"
          />
        </label>
        <button className="main">Open</button>
      </form>
    </main>
  );
}

interface InsideProps {
  place: Place;
  open: Open;
  go(place: Place, open?: Open): void;
  onRefused(why: string): void;
}

/** One version of an app. */
function Inside({ place, open, go, onRefused }: InsideProps): ReactNode {
  const authors = useMemo(() => new Authors(), []);
  const app = useMemo(() => {
    const { watch } = authors;
    return connect(token() ? { ...place, token, watch } : { ...place, watch });
  }, []); // key: one place
  useEffect(() => () => app.close(), [app]);
  const { collection = "", docId = "", view } = open;
  const all = useCounts(place, collection, onRefused);
  const other = place.version === "draft" ? "published" : "draft";
  return (
    <div className="inside">
      <header className="bar">
        <h1>
          {place.workspace} / {place.app}
        </h1>
        <button
          aria-pressed={place.version === "draft"}
          title={`Show the ${other} data`}
          onClick={() => go({ ...place, version: other })}
        >
          {place.version}
        </button>
        {readonly && <span className="note">read-only</span>}
        <button className="plain" onClick={() => onRefused("")}>
          Elsewhere…
        </button>
      </header>
      <nav className="collections" aria-label="Collections">
        <ul>
          {all?.map(({ name, count }) => (
            <li key={name}>
              <button aria-current={name === collection} onClick={() => go(place, { collection: name })}>
                <span dir="auto">{name}</span>
                <small>{count.toLocaleString()}</small>
              </button>
            </li>
          ))}
          {all?.length === 0 && <li className="empty">No collection has a document yet.</li>}
        </ul>
        <button aria-current={view === "trail"} onClick={() => go(place, { view: "trail" })}>
          Audit trail
        </button>
      </nav>
      {view === "trail" && (
        <main className="all">
          <h2>Audit trail</h2>
          <Trail
            place={place}
            targetId=""
            seen=""
            onOpen={(name, id) => go(place, { collection: name, docId: id })}
          />
        </main>
      )}
      {collection && (
        <CollectionView
          key={collection}
          app={app}
          place={place}
          authors={authors}
          name={collection}
          docId={docId}
          making={view === "new"}
          onOpen={(id) => go(place, { collection, docId: id })}
          onNew={() => go(place, { collection, view: "new" })}
        />
      )}
      {!collection && !view && (
        <main className="all empty">
          <p>Choose a collection. What anybody writes into it shows at once.</p>
        </main>
      )}
    </div>
  );
}

/** The collections with their counts, read again while the page is seen; null at first. */
function useCounts(place: Place, collection: string, onRefused: (why: string) => void): Counted[] | null {
  const [all, setAll] = useState<Counted[] | null>(null);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>;
    let current = true;
    const refuse = (error: unknown): void => {
      if (error instanceof Refused && error.status < 500 && error.status !== 429) onRefused(error.message);
    };
    const ask = async (): Promise<void> => {
      if (!document.hidden) await collectionsOf(place).then((found) => current && setAll(found), refuse);
      if (current) timer = setTimeout(ask, countTime);
    };
    void ask();
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [collection]);
  return all;
}

const root = document.getElementById("root");
if (root) createRoot(root).render(<Explorer />);
