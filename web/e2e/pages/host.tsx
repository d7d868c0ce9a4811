import { AppAgentBridge, AppDataBridge, type AppDataLiveChange } from "@secondgate/host";
import { StrictMode, useRef, useState, type ReactNode } from "react";
import { createRoot } from "react-dom/client";
import { documentOf, sandbox } from "./frame.js";

const told: AppDataLiveChange[] = [];
const runs: unknown[] = [];
const agents = [{ id: "counter", name: "Counter", description: "Counts." }];
const script = new URLSearchParams(location.search).get("app") ?? "/new-app.js";
let show: (next: { document: string; key?: number; version?: "draft" | "published" }) => void = () =>
  undefined;

/** Gives the frame a document of the same app that shows another collection. */
async function rebuild(
  collection: string,
  next: { key?: number; version?: "draft" | "published" } = {},
): Promise<void> {
  const document = await documentOf(script, collection);
  show({ document, ...next });
}

Object.assign(window, { told, rebuild, runs });

function Host(): ReactNode {
  const frame = useRef<HTMLIFrameElement>(null);
  const [shown, setShown] = useState({ document: "", key: 0, version: "published" as "draft" | "published" });
  show = (next) => setShown((before) => ({ ...before, ...next }));
  return (
    <>
      <AppDataBridge
        workspaceId="w"
        appId="a"
        sourceVersion={shown.version}
        iframeRef={frame}
        onDataChange={(change) => told.push(change)}
      />
      <AppAgentBridge
        workspaceId="w"
        appId="a"
        sourceVersion={shown.version}
        iframeRef={frame}
        agents={agents}
        onAgentRunStarted={(...run) => runs.push(run)}
      />
      {shown.document && (
        <iframe ref={frame} key={shown.key} title="app" srcDoc={shown.document} sandbox={sandbox} />
      )}
    </>
  );
}

createRoot(document.getElementById("root") as HTMLElement).render(
  <StrictMode>
    <Host />
  </StrictMode>,
);
void rebuild("leads");
