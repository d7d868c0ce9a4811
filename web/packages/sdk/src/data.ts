import { useCallback, useRef, useSyncExternalStore } from "react";
import { SecondError } from "@secondgate/core/error";
import { store, type Doc, type Snapshot, type Status } from "./store.js";

type Data = Record<string, unknown>;

const server: Snapshot = { data: [], status: "loading", error: null, pending: 0 };
const none: Snapshot = { data: [], status: "live", error: null, pending: 0 };

export interface UseCollection<T> {
  data: Doc<T>[];
  loading: boolean;
  status: Status;
  error: SecondError | null;
  /** How many of the own writes are shown that the database does not have yet. */
  pending: number;
  insert(data: T): Promise<Doc<T>>;
  update(docId: string, data: Partial<T>): Promise<Doc<T>>;
  remove(docId: string): Promise<void>;
  /** Updates the document with this id, or the one with these values, or makes one. */
  upsert(by: string | Partial<T>, data: Partial<T>): Promise<Doc<T>>;
  /** All operations or none. */
  batch(operations: Data[]): Promise<void>;
}

/** A live collection, the newest first. The functions keep their identity. */
export function useCollection<T extends object = Data>(collectionName: string): UseCollection<T> {
  const name = useRef(collectionName);
  name.current = collectionName;
  const entry = useEntry(collectionName, null);
  const insert = useCallback((data: T) => store().insert(name.current, data as Data) as Promise<Doc<T>>, []);
  const update = useCallback(
    (docId: string, data: Partial<T>) => store().update(name.current, docId, data as Data) as Promise<Doc<T>>,
    [],
  );
  const remove = useCallback((docId: string) => store().remove(name.current, docId), []);
  const upsert = useCallback(
    (by: string | Partial<T>, data: Partial<T>) =>
      store().upsert(name.current, by as string | Data, data as Data) as Promise<Doc<T>>,
    [],
  );
  const batch = useCallback((operations: Data[]) => store().batch(operations), []);
  return {
    ...entry,
    data: entry.data as Doc<T>[],
    loading: entry.status === "loading",
    insert,
    update,
    remove,
    upsert,
    batch,
  };
}

export interface UseDoc<T> {
  data: Doc<T> | null;
  loading: boolean;
  status: Status;
  error: SecondError | null;
  pending: number;
  update(data: Partial<T>): Promise<Doc<T>>;
  remove(): Promise<void>;
}

/** A live document; null where there is none, and where docId is null. */
export function useDoc<T extends object = Data>(collectionName: string, docId: string | null): UseDoc<T> {
  const which = useRef({ collectionName, docId });
  which.current = { collectionName, docId };
  const entry = useEntry(collectionName, docId ?? "");
  const update = useCallback((data: Partial<T>) => {
    const of = which.current;
    if (!of.docId) return Promise.reject(new SecondError("invalid_id", "there is no document to update"));
    return store().update(of.collectionName, of.docId, data as Data) as Promise<Doc<T>>;
  }, []);
  const remove = useCallback(() => {
    const of = which.current;
    return of.docId ? store().remove(of.collectionName, of.docId) : Promise.resolve();
  }, []);
  return {
    ...entry,
    data: (entry.data[0] ?? null) as Doc<T> | null,
    loading: entry.status === "loading",
    update,
    remove,
  };
}

/** What a collection is now (docId is null), or one document of it; an empty docId is no document. */
function useEntry(collection: string, docId: string | null): Snapshot {
  const subscribe = useCallback(
    (changed: () => void) =>
      docId === "" ? () => undefined : store().entry(collection, docId).subscribe(changed),
    [collection, docId],
  );
  const snapshot = useCallback(
    () => (docId === "" ? none : store().entry(collection, docId).getSnapshot()),
    [collection, docId],
  );
  return useSyncExternalStore(subscribe, snapshot, () => (docId === "" ? none : server));
}
