import type { Place } from "./place.js";

const tokenName = "secondgate.token";

/** The token that was entered in this tab; empty where none is needed, or a cookie stands for it. */
export const token = (): string => sessionStorage.getItem(tokenName) ?? "";
export const keepToken = (text: string): void => sessionStorage.setItem(tokenName, text);

/** A request that was refused, with the gateway's sentence. */
export class Refused extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Asks the gateway, and fails with Refused. */
export async function ask<T>(path: string, body?: unknown): Promise<T> {
  const headers: Record<string, string> = token() ? { Authorization: `Bearer ${token()}` } : {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const init = body === undefined ? { headers } : { method: "POST", headers, body: JSON.stringify(body) };
  const answer = await fetch(path, init);
  const text = await answer.text();
  const read = parsed(text);
  if (!answer.ok) throw new Refused(answer.status, read?.message ?? `The gateway answered ${answer.status}.`);
  return read as T;
}

function parsed(text: string): { message?: string } | null {
  try {
    return JSON.parse(text) as { message?: string };
  } catch {
    return null;
  }
}

export const dataPath = (p: Place): string =>
  `/api/workspaces/${encodeURIComponent(p.workspace)}/apps/${encodeURIComponent(p.app)}/data`;

export interface Counted {
  name: string;
  count: number;
}

/** The collections that have documents. */
export async function collectionsOf(p: Place): Promise<Counted[]> {
  return (await ask<{ counts: Counted[] }>(`${dataPath(p)}?version=${p.version}&counts=1`)).counts;
}

/** A row of the audit trail, as far as it is shown. */
export interface Row {
  id: string;
  occurredAt: string;
  action: string;
  outcome: string;
  actor: { kind: string; name?: string };
  target: { id: string; name?: string };
  metadata?: { label: string; value: string }[];
  changedFields?: string[];
}

/** What a row says under a label; empty if nothing. */
export const said = (row: Row, label: string): string =>
  row.metadata?.find((m) => m.label === label)?.value ?? "";

/** The newest rows of a document, or of an app. */
export async function rowsOf(p: Place, targetId: string): Promise<Row[]> {
  const q = new URLSearchParams({ appId: p.app, limit: "100" });
  if (targetId) q.set("targetId", targetId);
  const page = await ask<{ items: Row[] }>(
    `/api/workspaces/${encodeURIComponent(p.workspace)}/audit-events?${q}`,
  );
  return page.items.filter((row) => (said(row, "SourceVersion") || p.version) === p.version);
}

/** Undoes what one change set has done, as a whole. */
export const undo = (p: Place, changeSet: string): Promise<{ documents: number }> =>
  ask(`${dataPath(p)}/undo?version=${p.version}`, { changeSet });
