// Today's host, written from the description of its data bridge.
import { documentOf, sandbox } from "./frame.js";

const api = "/api/workspaces/w/apps/a/data";
const frame = Object.assign(document.createElement("iframe"), { title: "app" });
frame.setAttribute("sandbox", sandbox);
document.body.append(frame);

const post = (m: object): void => frame.contentWindow?.postMessage({ source: "second-platform", ...m }, "*");

async function fetched(path: string, method: string, body?: object): Promise<Record<string, unknown>> {
  try {
    const init = body
      ? { method, body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }
      : { method };
    return (await (await fetch(`${api}${path}`, init)).json()) as Record<string, unknown>;
  } catch {
    return {};
  }
}

async function answer(m: Record<string, string>): Promise<void> {
  const { type, collection, docId, requestId, data } = m;
  const query = `?version=published&collection=${encodeURIComponent(collection ?? "")}`;
  const respond = (fields: object): void =>
    post({ type: `${type}-response`, collection, requestId, ...fields });
  switch (type) {
    case "second:data:list":
      return respond({ docs: (await fetched(query, "GET"))["docs"] ?? [] });
    case "second:data:doc":
      return respond({ doc: (await fetched(`/${docId}${query}`, "GET"))["doc"] ?? null });
    case "second:data:insert":
      return respond({ doc: (await fetched("?version=published", "POST", { collection, data }))["doc"] });
    case "second:data:update":
      return respond({
        docId,
        doc: (await fetched(`/${docId}?version=published`, "PATCH", { collection, data }))["doc"],
      });
    case "second:data:delete":
      await fetched(`/${docId}${query}`, "DELETE");
      respond({ docId });
  }
}

window.addEventListener("message", (event) => {
  if (event.source === frame.contentWindow && event.data?.source === "second-app") void answer(event.data);
});

new EventSource(`${api}/stream?version=published`).onmessage = (event) => {
  const { type, collection, doc, docId } = JSON.parse(event.data);
  setTimeout(() => post({ type: "second:data:change", collection, operation: type, doc, docId }), 50);
};

void documentOf(new URLSearchParams(location.search).get("app") ?? "/new-app.js", "leads").then((text) => {
  frame.srcdoc = text;
});
