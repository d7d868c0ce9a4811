import type { Agent } from "@secondgate/core";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { useSecond } from "./context.js";

/** An agent, and what became of the run that this hook has triggered last. */
export interface UseAgent {
  /** Resolves with the run's id, also for a run that then fails. */
  trigger(prompt: string): Promise<string>;
  status: "idle" | "running" | "completed" | "failed";
  error: string | null;
  isRunning: boolean;
  runId: string | null;
}

type Run = Pick<UseAgent, "status" | "error" | "runId">;

export function useAgent(agentId: string): UseAgent {
  const app = useSecond();
  const [run, setRun] = useState<Run>({ status: "idle", error: null, runId: null });
  const last = useRef(0);
  const trigger = useCallback(
    async (prompt: string) => {
      const mine = ++last.current; // a later trigger makes this one's end of no interest
      const show = (next: Run): void => {
        if (mine === last.current) setRun(next);
      };
      try {
        const runId = await app.trigger(agentId, prompt, show);
        show({ status: "running", error: null, runId });
        return runId;
      } catch (cause) {
        show({
          status: "failed",
          error: cause instanceof Error ? cause.message : String(cause),
          runId: null,
        });
        throw cause;
      }
    },
    [app, agentId],
  );
  return useMemo(() => ({ ...run, trigger, isRunning: run.status === "running" }), [run, trigger]);
}

/** The agents that the app may have work. */
export function useAgentList(): { agents: readonly Agent[] } {
  const app = useSecond();
  const [agents, setAgents] = useState<readonly Agent[]>([]);
  useEffect(() => {
    let left = false;
    app.agents().then(
      (list) => {
        if (!left) setAgents(list);
      },
      () => undefined,
    ); // a gateway without agents has none
    return () => {
      left = true;
    };
  }, [app]);
  return useMemo(() => ({ agents }), [agents]);
}
