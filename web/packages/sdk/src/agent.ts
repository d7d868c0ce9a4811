import { useCallback, useEffect, useRef, useState } from "react";
import { randomId } from "@secondgate/core/ids";
import { hear, say, type HostMessage } from "./window.js";

export interface UseAgent {
  trigger(prompt: string): Promise<string>;
  status: "idle" | "running" | "completed" | "failed";
  error: string | null;
  isRunning: boolean;
  runId: string | null;
}

type Run = Pick<UseAgent, "status" | "error" | "runId">;

const endPatience = 2_000; // how long an end waits for the start that it belongs to

/** The triggers whose start is not known yet, oldest first. */
const starting: { requestId: string; agentId: string; started(runId: string): void }[] = [];

/** Ends that came before their run's start. */
const early: HostMessage[] = [];

/** Has an agent work, and tells what becomes of the run that this hook has triggered. */
export function useAgent(agentId: string): UseAgent {
  const [run, setRun] = useState<Run>({ status: "idle", error: null, runId: null });
  const current = useRef<string | null>(null);

  const end = useCallback((m: HostMessage) => {
    const failed = m["status"] === "failed";
    const error = failed ? String(m["error"] ?? "the agent's run has failed") : null;
    setRun({ status: failed ? "failed" : "completed", error, runId: m["runId"] as string });
  }, []);

  useEffect(
    () =>
      hear((m) => {
        if (m.type === "second:agent:update" && m["runId"] && m["runId"] === current.current) end(m);
      }),
    [end],
  );

  const trigger = useCallback(
    (prompt: string) =>
      new Promise<string>((resolve) => {
        const requestId = randomId();
        const started = (runId: string): void => {
          starting.splice(
            starting.findIndex((one) => one.requestId === requestId),
            1,
          );
          current.current = runId;
          setRun({ status: "running", error: null, runId });
          const ended = early.findIndex((m) => m["runId"] === runId);
          if (ended >= 0) end(early.splice(ended, 1)[0] as HostMessage);
          resolve(runId);
        };
        starting.push({ requestId, agentId, started });
        listenForStarts();
        say("second:agent:trigger", { requestId, agentId, prompt });
      }),
    [agentId, end],
  );

  return { ...run, trigger, isRunning: run.status === "running" };
}

let listening = false;

/** Matches starts and early ends with the triggers of all hooks. */
function listenForStarts(): void {
  if (listening) return;
  listening = true;
  hear((m) => {
    if (m.type === "second:agent:triggered") {
      starting.find((one) => one.requestId === m["requestId"])?.started(String(m["runId"]));
    } else if (m.type === "second:agent:update" && starting.some((one) => one.agentId === m["agentId"])) {
      early.push(m["runId"] ? m : { ...m, runId: `failed-${randomId()}` });
      setTimeout(() => adopt(m["agentId"]), endPatience);
    }
  });
}

/** An end without a start, as pages send it for a run that could not start, is that of the oldest trigger. */
function adopt(agentId: unknown): void {
  const end = early.find((m) => m["agentId"] === agentId);
  const waits = starting.find((one) => one.agentId === agentId);
  if (end && waits) waits.started(String(end["runId"]));
  else if (end) early.splice(early.indexOf(end), 1);
}

export interface AgentInfo {
  id: string;
  name: string;
  description: string;
}

const listTimes = [0, 1_000, 3_000, 7_000]; // when a page that may not listen yet is asked

/** The agents that the app may trigger. */
export function useAgentList(): { agents: AgentInfo[] } {
  const [agents, setAgents] = useState<AgentInfo[]>([]);
  useEffect(() => {
    let answered = false;
    const timers = listTimes.map((after) =>
      setTimeout(() => {
        if (!answered) say("second:agents:list-request", {});
      }, after),
    );
    const stop = hear((m) => {
      if (m.type !== "second:agents:list" || !Array.isArray(m["agents"])) return;
      answered = true;
      setAgents(m["agents"] as AgentInfo[]);
    });
    return () => {
      timers.forEach(clearTimeout);
      stop();
    };
  }, []);
  return { agents };
}
