import type { Doc, Operation, Second } from "@secondgate/core";
import { useState } from "react";
import { changedFields, dataOf, revOf, sameData, textOf } from "./data.js";

/** What is done to one document: what it is before, and its data after. null: there is none. */
export interface Step {
  docId: string;
  before: Doc | null;
  after: Record<string, unknown> | null;
}

/** The step that gives a document this data. A field that is left out becomes null: the gateway removes none. */
export const stepTo = (doc: Doc, data: Record<string, unknown>): Step => ({
  docId: doc._id,
  before: doc,
  after: { ...dataOf(doc), ...changedFields(textOf(doc), data) },
});

/** The most operations of a batch here. */
const mostOperations = 500;

/** About how much data a batch has at most, in bytes: a frame has 4 MiB. */
const mostData = 1 << 20;

/**
 * Carries out steps, each only if its document is what it was. Of 500, or of a mebibyte, all are carried out or none;
 * after each it tells how many are done.
 */
export async function carryOut(
  app: Second,
  collection: string,
  steps: readonly Step[],
  onDone: (count: number) => void = () => undefined,
): Promise<void> {
  let batch: Operation[] = [];
  let bytes = 0;
  for (const [i, step] of steps.entries()) {
    const operation = operationOf(collection, step);
    batch.push(operation);
    bytes += JSON.stringify(operation).length;
    if (batch.length < mostOperations && bytes < mostData && i < steps.length - 1) continue;
    await app.batch(batch).catch((error: unknown) => {
      const done = i + 1 - batch.length;
      const why = error instanceof Error ? error.message : String(error);
      throw done === 0 ? error : new Error(`${done} of ${steps.length} were carried out. Then: ${why}`);
    });
    onDone(i + 1);
    batch = [];
    bytes = 0;
  }
}

function operationOf(collection: string, { docId, before, after }: Step): Operation {
  if (!before) return { operation: "insert", collection, docId, data: after ?? {} };
  const ifRev = revOf(before);
  if (!after) return { operation: "delete", collection, docId, ifRev };
  return { operation: "update", collection, docId, data: changedFields(textOf(before), after), ifRev };
}

/** The steps that take others back. It fails where somebody has changed a document since. */
function backFrom(steps: readonly Step[], now: readonly Doc[]): Step[] {
  const known = new Map(now.map((doc) => [doc._id, doc]));
  return steps.map(({ docId, before, after }) => {
    const doc = known.get(docId) ?? null;
    if (doc && after ? !sameData(JSON.stringify(after), doc) : doc !== null || after !== null)
      throw new Error(`${docId} has been changed since: nothing was undone.`);
    if (!before || !doc) return { docId, before: doc, after: before && dataOf(before) };
    return stepTo(doc, dataOf(before));
  });
}

/** What one does oneself in a collection, and takes back. */
export interface Own {
  /** What was done last, or why it was not. */
  told: string;
  failed: boolean;
  canUndo: boolean;
  /** Does something, and returns whether it was done. */
  run(what: string, work: () => Promise<Step[]>): Promise<boolean>;
  /** Takes back what was done last. */
  undo(): void;
  forget(): void;
}

export function useOwn(app: Second, collection: string, docs: readonly Doc[]): Own {
  const [last, setLast] = useState({ told: "", failed: false, steps: [] as Step[] });
  const run = async (what: string, work: () => Promise<Step[]>): Promise<boolean> => {
    try {
      setLast({ told: what, failed: false, steps: await work() });
      return true;
    } catch (error) {
      setLast({ told: error instanceof Error ? error.message : String(error), failed: true, steps: [] });
      return false;
    }
  };
  return {
    ...last,
    canUndo: last.steps.length > 0,
    run,
    undo: () =>
      void run("Undone", async () => {
        await carryOut(app, collection, backFrom(last.steps, docs));
        return [];
      }),
    forget: () => setLast({ told: "", failed: false, steps: [] }),
  };
}
