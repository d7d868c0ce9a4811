// Builds the explorer into explorer/dist, which the binary embeds. With --check it fails unless what is there equals a
// fresh build.
import { build } from "esbuild";
import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { equalsFresh, licencesOf, outFor } from "../embed.mjs";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const out = outFor(at("dist"));
const { metafile } = await build({
  entryPoints: { explorer: at("src/main.tsx") },
  outdir: out,
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  jsx: "automatic",
  legalComments: "none",
  define: { "process.env.NODE_ENV": '"production"' },
  absWorkingDir: at(".."),
  alias: { "@secondgate/core": at("../packages/core/src/index.ts") },
  splitting: true,
  chunkNames: "part-[hash]",
  metafile: true,
});
for (const file of ["index.html", "explorer.css"]) copyFileSync(at(`src/${file}`), join(out, file));
// The first load is the entry and what it imports, without what it loads when needed.
const nameOf = (path) => path.slice(path.lastIndexOf("/") + 1);
const [, entry] = Object.entries(metafile.outputs).find(([path]) => nameOf(path) === "explorer.js");
const atOnce = entry.imports.filter((one) => one.kind === "import-statement").map((one) => nameOf(one.path));
const sizes = ["explorer.js", ...atOnce].map((name) => gzipSync(readFileSync(join(out, name))).length);
const first = sizes.reduce((a, b) => a + b);
if (first > 150_000) throw new Error(`the first load is ${first} bytes, more than 150 kB`);
console.log(`explorer: ${first} bytes gzip of 150000`);
licencesOf(["react", "react-dom", "scheduler", "papaparse"], out);
equalsFresh(at("dist"), out, "explorer");
