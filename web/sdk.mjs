// Makes second-sdk.ts of the packages: one file that an app copies in place of today's. With --check it fails unless
// the file that is there equals a fresh one.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const sources = [
  "core/src/error.ts", "core/src/ids.ts",
  ...["window", "link", "store", "data", "agent", "integration"].map((name) => `sdk/src/${name}.ts`),
];
const names = new Set([
  "useCollection", "useDoc", "useAgent", "useAgentList", "useIntegrationTool", "callIntegrationTool",
  "formatIntegrationToolError", "reportIntegrationToolFailure", "IntegrationToolResult",
  "IntegrationToolFailureReportResult",
]);

const fromReact = new Set();
const parts = sources.map((source) => readFileSync(at(`packages/${source}`), "utf8")
  .replace(/^import \{([^}]*)\} from "react";\n/gm, (_, list) => (list.split(",").forEach((n) => fromReact.add(n.trim())), ""))
  .replace(/^import [^;]*;\n/gm, "")
  .replace(/^export (async function|function|class|interface|type|const) (\w+)/gm,
    (line, kind, name) => (names.has(name) ? line : `${kind} ${name}`))
  .trim());

const file = `// Secondgate's SDK for an app in a frame. It takes the place of src/lib/second-sdk.ts and needs React 18.3 or newer.
// web/sdk.mjs makes it of web/packages: change it there.
import { ${[...fromReact].sort().join(", ")} } from "react";

${parts.join("\n\n")}
`;

const exported = [...file.matchAll(/^export (?:async function|function|interface) (\w+)/gm)].map(([, name]) => name);
if (exported.length !== names.size) throw new Error(`it exports ${exported.join(", ")}`);
if (process.argv.includes("--check")) {
  if (readFileSync(at("second-sdk.ts"), "utf8") !== file) {
    console.error("web/second-sdk.ts differs from a fresh one: run `node sdk.mjs` in web");
    process.exit(1);
  }
} else writeFileSync(at("second-sdk.ts"), file);
