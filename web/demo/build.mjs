// Builds the demo page into demo/dist, which the binary embeds. With --check it fails unless what is there equals a
// fresh build.
import { build } from "esbuild";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { equalsFresh, licencesOf, outFor } from "../embed.mjs";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const out = outFor(at("dist"));

const common = {
  bundle: true, minify: true, target: "es2022", jsx: "automatic", outdir: out, legalComments: "none",
  define: { "process.env.NODE_ENV": '"production"' }, absWorkingDir: at(".."),
  alias: Object.fromEntries(["core", "host"].map((name) => [`@secondgate/${name}`, at(`../packages/${name}/src/index.ts`)])),
};
await build({ ...common, entryPoints: [at("src/host.tsx")], format: "esm" });
for (const file of ["index.html", "demo.css"]) copyFileSync(at(`src/${file}`), join(out, file));

// The app is one document, as hosts give it to a frame without an origin, which may load nothing. The page's policy names
// the hashes of its style and its script.
const app = await build({ ...common, entryPoints: [at("src/app.tsx")], format: "iife", write: false });
const script = app.outputFiles[0].text.trim();
const style = readFileSync(at("src/app.css"), "utf8").trim();
writeFileSync(join(out, "app.html"), `<!doctype html><html lang="en"><meta charset="utf-8"><title>Leads</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<style>${style}</style><body><div id="root"></div><script>${script}</script></body></html>
`);

licencesOf(["react", "react-dom", "scheduler"], out);
equalsFresh(at("dist"), out, "demo");
