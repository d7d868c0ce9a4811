import { connect, type SecondError } from "@secondgate/core";
import { SecondProvider, useCollection } from "@secondgate/react";
import { StrictMode, type ReactNode } from "react";
import { createRoot } from "react-dom/client";
import { frames, record } from "./record.js";

export interface Lead {
  name: string;
}

// A page without an iframe. The test plays with what is on window.
const app = connect({ workspace: "w", app: "a" });
const answers = { done: 0, refused: [] as string[] };
const leads = app.collection<Lead>("leads");

function count(write: Promise<unknown>): void {
  write.then(
    () => answers.done++,
    (error: SecondError) => answers.refused.push(error.code),
  );
}

/** Inserts one lead in each frame of the screen. */
function burst(from: number, to: number): void {
  if (from >= to) return;
  count(leads.insert({ name: `lead ${from}` }));
  requestAnimationFrame(() => burst(from + 1, to));
}

Object.assign(window, { app, answers, frames, burst, count, leads });

function Leads(): ReactNode {
  const { data, status, pending } = useCollection<Lead>("leads");
  return (
    <>
      <output>
        {status}, {pending} pending
      </output>
      <ul>
        {data.map((lead) => (
          <li key={lead._id} id={lead._id}>
            {lead.name}
          </li>
        ))}
      </ul>
    </>
  );
}

createRoot(document.getElementById("root") as HTMLElement).render(
  <StrictMode>
    <SecondProvider app={app}>
      <Leads />
    </SecondProvider>
  </StrictMode>,
);
record();
