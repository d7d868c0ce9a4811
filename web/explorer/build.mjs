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
await build({
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
});
for (const file of ["index.html", "explorer.css"]) copyFileSync(at(`src/${file}`), join(out, file));
const first = gzipSync(readFileSync(join(out, "explorer.js"))).length;
if (first > 150_000) throw new Error(`the first load is ${first} bytes, more than 150 kB`);
console.log(`explorer: ${first} bytes gzip of 150000`);
licencesOf(["react", "react-dom", "scheduler"], out);
equalsFresh(at("dist"), out, "explorer");
