import { useCallback, useState } from "react";
import { randomId } from "@secondgate/core/ids";
import { hear, say, type HostMessage } from "./window.js";

/** What an integration's tool answers. A failure is a result too: nothing is thrown. */
export interface IntegrationToolResult<TData = unknown> {
  success: boolean;
  mock: boolean;
  data?: TData;
  mockReason?: string;
  statusCode?: number;
  error?: string;
  errorCode?: string;
  errorCategory?: string;
  resolution?: string;
  retryable?: boolean;
  canRequestBuilderRepair?: boolean;
  details?: unknown;
}

export interface IntegrationToolFailureReportResult {
  ok: boolean;
  status?: number | string;
  builderRunId?: string;
  appendedToExisting?: boolean;
  error?: string;
}

const executeTime = 35_000;
const reportTime = 15_000;

/** Asks the page around the frame; null if it does not answer in time. */
function ask(type: string, fields: Record<string, unknown>, patience: number): Promise<HostMessage | null> {
  return new Promise((resolve) => {
    const requestId = randomId();
    const done = (m: HostMessage | null): void => {
      clearTimeout(late);
      stop();
      resolve(m);
    };
    const late = setTimeout(() => done(null), patience);
    const stop = hear((m) => {
      if (m.type === `${type}-response` && m["requestId"] === requestId) done(m);
    });
    try {
      say(type, { ...fields, requestId });
    } catch (cause) {
      // what cannot be cloned
      done({ type, success: false, mock: false, ok: false, error: String(cause) });
    }
  });
}

const late = (type: string): string => `Timed out waiting for ${type}-response`;

/** Has an integration's tool work. It never rejects. */
export async function callIntegrationTool<TInput = unknown, TData = unknown>(
  toolName: string,
  input: TInput,
): Promise<IntegrationToolResult<TData>> {
  const type = "second:integration:execute";
  const m = await ask(type, { toolName, input }, executeTime);
  if (!m) return { success: false, mock: false, error: late(type) };
  const { type: _type, source: _source, requestId: _requestId, toolName: _toolName, ...result } = m;
  return {
    ...result,
    success: m["success"] === true,
    mock: m["mock"] === true,
  } as IntegrationToolResult<TData>;
}

/** Tells whoever builds the app that a tool has failed. It never rejects. */
export async function reportIntegrationToolFailure<TInput = unknown, TData = unknown>(
  toolName: string,
  input: TInput,
  result: IntegrationToolResult<TData>,
  description: string,
  attemptedTask?: string,
): Promise<IntegrationToolFailureReportResult> {
  const type = "second:integration:report-failure";
  const m = await ask(type, { toolName, input, result, description, attemptedTask }, reportTime);
  if (!m) return { ok: false, error: late(type) };
  const { type: _type, source: _source, requestId: _requestId, ...answer } = m;
  return { ...answer, ok: m["ok"] === true };
}

/** A sentence for people about a tool that has failed. */
export function formatIntegrationToolError(
  result: Pick<IntegrationToolResult, "error" | "statusCode" | "resolution" | "retryable">,
  fallback = "The integration could not be reached.",
): string {
  const sentences = [result.error?.trim() || fallback];
  if (result.statusCode) sentences[0] += ` (HTTP ${result.statusCode})`;
  if (result.resolution) sentences.push(result.resolution);
  else if (result.retryable) sentences.push("Try again in a moment.");
  return sentences.join(" ");
}

export interface UseIntegrationTool<TInput, TData> {
  execute(input: TInput): Promise<IntegrationToolResult<TData>>;
  loading: boolean;
  error: string | null;
}

/** An integration's tool, and whether it works or has failed. */
export function useIntegrationTool<TInput = unknown, TData = unknown>(
  toolName: string,
): UseIntegrationTool<TInput, TData> {
  const [state, setState] = useState<{ loading: boolean; error: string | null }>({
    loading: false,
    error: null,
  });
  const execute = useCallback(
    async (input: TInput) => {
      setState({ loading: true, error: null });
      const result = await callIntegrationTool<TInput, TData>(toolName, input);
      setState({ loading: false, error: result.success ? null : formatIntegrationToolError(result) });
      return result;
    },
    [toolName],
  );
  return { execute, ...state };
}
