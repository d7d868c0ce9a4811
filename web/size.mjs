// Prints how large the packages are for a browser, and fails over their limits: minified, without React, with brotli.
import { build } from "esbuild";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const packages = [
  ["core", "packages/core/src/index.ts", [], 10_000],
  ["host, beside core", "packages/host/src/index.ts", ["react", "@secondgate/core"], 5_000],
  ["react, beside core", "packages/react/src/index.ts", ["react", "@secondgate/core"], 1_500],
];
let over = false;
for (const [name, entry, external, limit] of packages) {
  const { outputFiles, metafile } = await build({
    entryPoints: [at(entry)], external, bundle: true, minify: true, format: "esm", target: "es2022", write: false,
    splitting: true, outdir: "dist", metafile: true,
  });
  // What is loaded at once: the entry and what it imports, without what it loads when needed.
  const { imports } = metafile.outputs["dist/index.js"];
  const atOnce = new Set(["dist/index.js", ...imports.filter((one) => one.kind === "import-statement").map((one) => one.path)]);
  const contents = Buffer.concat(outputFiles.filter((f) => atOnce.has(relative(".", f.path))).map((f) => f.contents));
  const brotli = brotliCompressSync(contents).length;
  console.log(`${name}: ${contents.length} bytes, gzip ${gzipSync(contents).length}, brotli ${brotli} of ${limit}`);
  over ||= brotli > limit;
}
process.exit(over ? 1 : 0);
