import type { Doc } from "@secondgate/core";
import { useState, type ReactNode } from "react";
import { dataOf } from "./data.js";
import type { Place } from "./place.js";
import { dataPath } from "./rest.js";

/** What reads or writes the same document elsewhere, as text. */
export function textsFor(place: Place, collection: string, doc: Doc, origin: string): Record<string, string> {
  const at = `${origin}${dataPath(place)}/${encodeURIComponent(doc._id)}?version=${place.version}`;
  const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
  const sql = (text: string): string => `'${text.replaceAll("'", "''")}'`;
  const stored = place.version === "draft" ? `${place.app}__draft` : place.app;
  return {
    JSON: JSON.stringify(dataOf(doc), null, 2),
    curl: `curl ${quoted(`${at}&collection=${encodeURIComponent(collection)}`)}`,
    SDK: `const { data } = useDoc(${JSON.stringify(collection)}, ${JSON.stringify(doc._id)});`,
    MCP: JSON.stringify({ name: "read_app_data", arguments: { collection, docId: doc._id } }),
    SQL:
      `SELECT data FROM app_data WHERE workspace_id = ${sql(place.workspace)} AND app_id = ${sql(stored)}` +
      ` AND collection = ${sql(collection)} AND id = ${sql(doc._id)};`,
  };
}

export function CopyAs({
  place,
  collection,
  doc,
}: {
  place: Place;
  collection: string;
  doc: Doc;
}): ReactNode {
  const [copied, setCopied] = useState("");
  const texts = textsFor(place, collection, doc, location.origin);
  return (
    <span className="copy">
      <label>
        Copy as{" "}
        <select
          value=""
          onChange={(e) => {
            const name = e.target.value;
            void navigator.clipboard.writeText(texts[name] ?? "").then(
              () => setCopied(name),
              () => setCopied("nothing: the browser refused"),
            );
          }}
        >
          <option value="">…</option>
          {Object.keys(texts).map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
      {copied && <small role="status">copied {copied}</small>}
    </span>
  );
}
