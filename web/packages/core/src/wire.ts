import type { Change } from "./copy.js";
import { SecondError } from "./error.js";
import type { Doc } from "./types.js";

type AnyDoc = Doc<Record<string, unknown>>;

/** Any message of the gateway. Unknown fields and types are ignored. */
export interface Message {
  type: string;
  requestId?: string;
  collection?: string;
  docId?: string;
  doc?: AnyDoc | null;
  docs?: AnyDoc[];
  next?: string;
  resumed?: boolean;
  created?: boolean;
  results?: Message[];
  cursor?: string;
  reason?: string;
  collections?: string[];
  spreadMs?: number;
  retryAfterMs?: number;
  heartbeatMs?: number;
  features?: string[];
  expiresAt?: string;
  operation?: Change["operation"];
  agents?: { id: string; name: string; description: string }[];
  runId?: string;
  status?: string;
  /** Who made a change, if that is asked for and known. */
  by?: { kind: "user" | "agent" | "service" | "anonymous"; id?: string; run?: string };
  /** An agent's end has a sentence here. */
  error?: { code: string; message: string; retryable: boolean };
}

export interface Request {
  type: string;
  collection?: string;
  docId?: string;
  data?: Record<string, unknown>;
  filter?: Record<string, unknown>;
  ifRev?: string;
  paths?: boolean;
  after?: string;
  cursor?: string;
  mutationId?: string;
  token?: string;
  agentId?: string;
  prompt?: string;
  runId?: string;
  operations?: unknown[];
}

/** The messages of a frame: one, or a list. */
export function messagesOf(frame: string): Message[] {
  const value: unknown = JSON.parse(frame);
  return (Array.isArray(value) ? value : [value]) as Message[];
}

export function errorOf(m: Message): SecondError | null {
  return m.error ? new SecondError(m.error.code, m.error.message, m.error.retryable) : null;
}

/** The address of an app's data, without a slash at its end. */
export function dataURL(base: string, workspace: string, app: string): string {
  const part = encodeURIComponent;
  return `${base.replace(/\/+$/, "")}/api/workspaces/${part(workspace)}/apps/${part(app)}/data`;
}
