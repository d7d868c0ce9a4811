/** Where the explorer looks: a version of an app. The page's address says it, so it can be sent to others. */
export interface Place {
  workspace: string;
  app: string;
  version: "draft" | "published";
}

/** What the address says. */
export function placeOf(search: string): { place: Place | null; collection: string; docId: string } {
  const q = new URLSearchParams(search);
  const workspace = q.get("workspace") ?? "";
  const app = q.get("app") ?? "";
  const version = q.get("version") === "draft" ? "draft" : "published";
  return {
    place: workspace && app ? { workspace, app, version } : null,
    collection: q.get("collection") ?? "",
    docId: q.get("doc") ?? "",
  };
}

/** The address of a place, and what is open there. */
export function addressOf(place: Place, collection = "", docId = ""): string {
  const q = new URLSearchParams({ workspace: place.workspace, app: place.app, version: place.version });
  if (collection) q.set("collection", collection);
  if (docId) q.set("doc", docId);
  return `?${q}`;
}
