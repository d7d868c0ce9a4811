// Builds the demo page into demo/dist, which the binary embeds. With --check it fails unless what is there equals a
// fresh build.
import { build } from "esbuild";
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const check = process.argv.includes("--check");
const out = check ? mkdtempSync(join(tmpdir(), "secondgate-demo-")) : at("dist");
if (!check) rmSync(out, { recursive: true, force: true });

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

// What the page contains of others, with their licences: NOTICES has this text too.
const others = ["react", "react-dom", "scheduler"].map((name) => {
  const { version } = JSON.parse(readFileSync(at(`../node_modules/${name}/package.json`), "utf8"));
  const title = `${name} ${version}, LICENSE`;
  const licence = readFileSync(at(`../node_modules/${name}/LICENSE`), "utf8").trim();
  return `\n${title}\n${"=".repeat(title.length)}\n\n${licence}\n`;
});
writeFileSync(join(out, "LICENSES.txt"), others.join(""));

if (check) {
  const names = readdirSync(out).sort();
  const same = names.join() === readdirSync(at("dist")).sort().join() &&
    names.every((name) => readFileSync(join(out, name)).equals(readFileSync(join(at("dist"), name))));
  rmSync(out, { recursive: true });
  if (!same) {
    console.error("web/demo/dist differs from a fresh build: run `node demo/build.mjs` in web");
    process.exit(1);
  }
}
