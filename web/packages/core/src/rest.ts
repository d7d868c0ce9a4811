import { SecondError } from "./error.js";
import type { Request } from "./wire.js";

/** A write of the socket as REST has it. */
export function writeOf(request: Request, version: string): { path: string; init: RequestInit } {
  const { type, collection = "", docId, data, mutationId = "" } = request;
  const headers = { "Content-Type": "application/json", "Idempotency-Key": mutationId };
  const at = `/${encodeURIComponent(docId ?? "")}?${version}&rev=1`;
  switch (type) {
    case "second:data:insert":
      return {
        path: `?${version}&rev=1`,
        init: { method: "POST", headers, body: JSON.stringify({ collection, docId, data }) },
      };
    case "second:data:update":
      // REST takes names with dots for paths.
      if (!request.paths && Object.keys(data ?? {}).some((name) => name.includes("."))) break;
      return { path: at, init: { method: "PATCH", headers, body: JSON.stringify({ collection, data }) } };
    case "second:data:delete":
      return {
        path: `${at}&collection=${encodeURIComponent(collection)}`,
        init: { method: "DELETE", headers },
      };
  }
  throw new SecondError("unavailable", `${type} needs a WebSocket, which this network does not let through`);
}
