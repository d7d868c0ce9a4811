import type { Doc, DocSnapshot, Operation, SecondError, Snapshot, Status } from "@secondgate/core";
import { useCallback, useMemo, useSyncExternalStore } from "react";
import { useSecond } from "./context.js";

/** A live collection, newest first. Its functions keep their identity. */
export interface UseCollection<T> {
  data: readonly Doc<T>[];
  loading: boolean;
  status: Status;
  error: SecondError | null;
  /** How many of the own writes the gateway has not told of yet. */
  pending: number;
  insert(data: T): Promise<Doc<T>>;
  update(docId: string, data: Partial<T>): Promise<Doc<T>>;
  remove(docId: string): Promise<void>;
  upsert(by: string | Partial<T>, data: Partial<T>): Promise<Doc<T>>;
  /** All operations or none, of any collections. */
  batch(operations: Operation[]): Promise<void>;
}

const serverSnapshot: Snapshot<never> = { data: [], status: "loading", error: null, pending: 0 };

export function useCollection<T = Record<string, unknown>>(name: string): UseCollection<T> {
  const app = useSecond();
  const collection = useMemo(() => app.collection<T>(name), [app, name]);
  const subscribe = useCallback((changed: () => void) => collection.subscribe({ next: changed }), [collection]);
  const snapshot = useSyncExternalStore<Snapshot<T>>(subscribe, collection.getSnapshot, () => serverSnapshot);
  return useMemo(() => ({
    ...snapshot, loading: snapshot.status === "loading", insert: collection.insert, update: collection.update,
    remove: collection.remove, upsert: collection.upsert, batch: app.batch,
  }), [snapshot, collection, app]);
}

/** A live document; null where there is none, and where docId is null. */
export interface UseDoc<T> {
  data: Doc<T> | null;
  loading: boolean;
  status: Status;
  error: SecondError | null;
  pending: number;
  update(data: Partial<T>): Promise<Doc<T>>;
  remove(): Promise<void>;
}

const noDoc: DocSnapshot<never> = { data: null, status: "live", error: null, pending: 0 };
const serverDoc: DocSnapshot<never> = { data: null, status: "loading", error: null, pending: 0 };

export function useDoc<T = Record<string, unknown>>(collectionName: string, docId: string | null): UseDoc<T> {
  const app = useSecond();
  const doc = useMemo(() => (docId ? app.doc<T>(collectionName, docId) : null), [app, collectionName, docId]);
  const subscribe = useCallback(
    (changed: () => void) => doc?.subscribe({ next: changed }) ?? (() => undefined), [doc]);
  const snapshot = useSyncExternalStore<DocSnapshot<T>>(
    subscribe, () => doc?.getSnapshot() ?? noDoc, () => (doc ? serverDoc : noDoc));
  const update = useCallback(
    (data: Partial<T>) => doc?.update(data) ?? Promise.reject(new Error("there is no document to update")), [doc]);
  const remove = useCallback(() => doc?.remove() ?? Promise.resolve(), [doc]);
  return useMemo(
    () => ({ ...snapshot, loading: snapshot.status === "loading", update, remove }), [snapshot, update, remove]);
}
