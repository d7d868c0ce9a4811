/** Where the explorer looks: a version of an app. The page's address says it, so it can be sent to others. */
export interface Place {
  workspace: string;
  app: string;
  version: "draft" | "published";
}

/** What is open at a place. */
export interface Open {
  collection?: string;
  docId?: string;
  /** The audit trail, or a document that is being made. */
  view?: "trail" | "new";
}

/** What the address says. */
export function placeOf(search: string): { place: Place | null; open: Open } {
  const q = new URLSearchParams(search);
  const workspace = q.get("workspace") ?? "";
  const app = q.get("app") ?? "";
  const version = q.get("version") === "draft" ? "draft" : "published";
  const view = q.get("view");
  return {
    place: workspace && app ? { workspace, app, version } : null,
    open: {
      collection: q.get("collection") ?? "",
      docId: q.get("doc") ?? "",
      ...(view === "trail" || view === "new" ? { view } : {}),
    },
  };
}

/** The address of a place, and what is open there. */
export function addressOf(place: Place, { collection, docId, view }: Open = {}): string {
  const q = new URLSearchParams({ workspace: place.workspace, app: place.app, version: place.version });
  if (collection) q.set("collection", collection);
  if (docId) q.set("doc", docId);
  if (view) q.set("view", view);
  return `?${q}`;
}
