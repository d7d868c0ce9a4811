import type { Doc, Second, Snapshot } from "@secondgate/core";
import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";

/** For how long a row that changed is marked, in ms. */
const markedTime = 1500;

/**
 * How long a table waits for further changes, in ms for each document: the more there are, the more it costs to
 * look at all.
 */
const waitPerDocument = 1 / 400;

export interface Live extends Snapshot<Record<string, unknown>> {
  /** The ids of documents that have just changed. */
  marked: ReadonlySet<string>;
  /** How many documents have changed since the table was paused. */
  missed: number;
}

/** A collection as it is, or while paused as it was. */
export function useLive(app: Second, name: string, paused: boolean): Live {
  const collection = useMemo(() => app.collection(name), [app, name]);
  const subscribe = useCallback(
    (changed: () => void) => {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const later = (): void => {
        const { length } = collection.getSnapshot().data;
        const wait = seen.current.status === "loading" ? 0 : Math.min(length * waitPerDocument, 500);
        timer ??= setTimeout(() => {
          timer = undefined;
          seen.current = collection.getSnapshot();
          changed();
        }, wait);
      };
      const end = collection.subscribe({ next: later });
      return () => {
        clearTimeout(timer);
        end();
      };
    },
    [collection],
  );
  const seen = useRef(collection.getSnapshot());
  const now = useSyncExternalStore(subscribe, () => seen.current);
  const held = useRef(now);
  if (!paused || held.current.status === "loading") held.current = now;
  return {
    ...now,
    data: held.current.data,
    marked: useMarked(held.current),
    missed: useMemo(() => (paused ? changedBetween(held.current.data, now.data).length : 0), [paused, now]),
  };
}

function changedBetween(before: readonly Doc[], after: readonly Doc[]): string[] {
  const known = new Map(before.map((doc) => [doc._id, doc]));
  const changed = after.filter((doc) => known.get(doc._id) !== doc).map((doc) => doc._id);
  for (const doc of after) known.delete(doc._id);
  return [...changed, ...known.keys()];
}

function useMarked(snapshot: Snapshot<Record<string, unknown>>): ReadonlySet<string> {
  const before = useRef(snapshot);
  const [marked, setMarked] = useState<ReadonlySet<string>>(new Set());
  useEffect(() => {
    const last = before.current;
    before.current = snapshot;
    if (last.status === "loading" || last.data === snapshot.data) return;
    const changed = changedBetween(last.data, snapshot.data);
    if (changed.length > 0) setMarked(new Set(changed));
  }, [snapshot]);
  useEffect(() => {
    if (marked.size === 0) return;
    const timer = setTimeout(() => setMarked(new Set()), markedTime);
    return () => clearTimeout(timer);
  }, [marked]);
  return marked;
}
