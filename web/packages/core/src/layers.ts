import type { Doc } from "./types.js";

type AnyDoc = Doc<Record<string, unknown>>;

/** What one of the own writes makes of a document, for as long as the gateway has not told of it. */
export interface Layer {
  collection: string;
  docId: string;
  /** null deletes. */
  data: Record<string, unknown> | null;
  /** The write makes the document if there is none. */
  makes: boolean;
}

/** A document under some layers; undefined where there is none. The base is not changed. */
export function under(base: AnyDoc | undefined, layers: readonly Layer[]): AnyDoc | undefined {
  let doc = base;
  for (const layer of layers) {
    if (layer.data === null) doc = undefined;
    else if (doc || layer.makes) doc = { ...doc, ...layer.data, _id: layer.docId };
  }
  return doc;
}
