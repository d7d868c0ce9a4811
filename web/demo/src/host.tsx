import { connect } from "@secondgate/core";
import { AppDataBridge } from "@secondgate/host";
import { useMemo, useRef, useState, type ReactNode } from "react";
import { createRoot } from "react-dom/client";
import { burst, samples } from "./leads.js";

const scope = { workspace: "demo", app: "demo" };
const people = [
  { name: "Ann", phone: false },
  { name: "Ben", phone: false },
  { name: "Cleo", phone: true },
];

/** A frame with the app, as one person has it open. */
function Window({ name, phone, app }: { name: string; phone: boolean; app: string }): ReactNode {
  const frame = useRef<HTMLIFrameElement>(null);
  const [offline, setOffline] = useState(false);
  return (
    <section className={phone ? "phone" : "desk"} aria-label={`${name}’s view`} data-offline={offline}>
      <AppDataBridge
        workspaceId={scope.workspace}
        appId={scope.app}
        sourceVersion="published"
        iframeRef={frame}
        paused={offline}
      />
      <header>
        <h2>
          {name}
          {phone && <small>on a phone</small>}
        </h2>
        <button role="switch" aria-checked={!offline} onClick={() => setOffline(!offline)}>
          <span aria-hidden="true" />
          {offline ? "Offline" : "Online"}
        </button>
      </header>
      <iframe
        ref={frame}
        title={`The app, as ${name} sees it`}
        name={name}
        srcDoc={app}
        sandbox="allow-scripts allow-forms"
      />
    </section>
  );
}

function Demo({ document }: { document: string }): ReactNode {
  const app = useMemo(() => connect(scope), []);
  const [told, setTold] = useState("");
  const time = async (what: string, write: () => Promise<unknown>): Promise<void> => {
    const began = performance.now();
    try {
      await write();
      setTold(`${what} in ${Math.round(performance.now() - began)} ms.`);
    } catch (cause) {
      setTold(`That failed: ${cause instanceof Error ? cause.message : String(cause)}`);
    }
  };
  return (
    <>
      <div className="tools" role="group" aria-label="What others do">
        <button onClick={() => time("Five leads are stored", () => app.batch(samples()))}>
          Add sample leads
        </button>
        <button onClick={() => time("200 leads, a write each, are stored", () => burst(app))}>
          Burst: 200 writes
        </button>
        <output aria-live="polite">{told}</output>
      </div>
      <div className="windows">
        {people.map((person) => (
          <Window key={person.name} app={document} {...person} />
        ))}
      </div>
    </>
  );
}

const root = createRoot(document.querySelector("main") as HTMLElement);
void fetch("app.html").then(async (answer) => root.render(<Demo document={await answer.text()} />));
