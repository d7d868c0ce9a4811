// An app as it is made today: it knows nothing but its SDK. The test calls what is on window.
import { useState, type ReactNode } from "react";
import { createRoot } from "react-dom/client";
import { useAgent, useAgentList, useCollection, useDoc } from "@/lib/second-sdk";
import { frames, record } from "./record.js";

/** All that any window has sent to this one. */
const heard: unknown[] = [];
window.addEventListener("message", (event) => heard.push(event.data));

const collection = document.documentElement.dataset["collection"] ?? "leads";

function App(): ReactNode {
  const leads = useCollection(collection);
  const [open, setOpen] = useState<string | null>(null);
  const doc = useDoc(collection, open);
  const [agent, other, wrong, { agents }] = [
    useAgent("counter"),
    useAgent("counter"),
    useAgent("unknown"),
    useAgentList(),
  ];
  Object.assign(window, { leads, doc, setOpen, agent, other, wrong, agents });
  return (
    <>
      <output>
        {leads.loading ? "loading" : "loaded"}
        {leads.status ? ` ${leads.status}, ${leads.pending} pending` : ""}
      </output>
      <ul>
        {leads.data.map((lead) => (
          <li key={lead._id} id={lead._id}>
            {String(lead["name"])}
          </li>
        ))}
      </ul>
      <p id="agent">
        {agent.status} {agent.error}
      </p>
      <p id="other">
        {other.status} {other.error}
      </p>
      <p id="wrong">
        {wrong.status} {wrong.error}
      </p>
      <article>{doc.data ? String(doc.data["name"]) : "none"}</article>
    </>
  );
}

Object.assign(window, { frames, heard });
createRoot(document.getElementById("root") as HTMLElement).render(<App />);
record();
