// What the builds of the pages that the binary embeds have in common.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const check = process.argv.includes("--check");

/** Where a build goes: into dist, or with --check into a folder of its own. */
export function outFor(dist) {
  if (check) return mkdtempSync(join(tmpdir(), "secondgate-page-"));
  rmSync(dist, { recursive: true, force: true });
  return dist;
}

/** What a page contains of others, with their licences: NOTICES has this text too. */
export function licencesOf(names, out) {
  const others = names.map((name) => {
    const at = (file) => fileURLToPath(new URL(`node_modules/${name}/${file}`, import.meta.url));
    const { version } = JSON.parse(readFileSync(at("package.json"), "utf8"));
    const title = `${name} ${version}, LICENSE`;
    return `\n${title}\n${"=".repeat(title.length)}\n\n${readFileSync(at("LICENSE"), "utf8").trim()}\n`;
  });
  writeFileSync(join(out, "LICENSES.txt"), others.join(""));
}

/** With --check: fails unless dist equals the build. */
export function equalsFresh(dist, out, page) {
  if (!check) return;
  const names = readdirSync(out).sort();
  const same =
    names.join() === readdirSync(dist).sort().join() &&
    names.every((name) => readFileSync(join(out, name)).equals(readFileSync(join(dist, name))));
  rmSync(out, { recursive: true });
  if (!same) {
    console.error(`web/${page}/dist differs from a fresh build: run \`node ${page}/build.mjs\` in web`);
    process.exit(1);
  }
}
