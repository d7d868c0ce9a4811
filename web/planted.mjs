// Plants bugs in core and host, one at a time. The tests must notice each: a test that cannot fail proves nothing. Words
// behind the script choose bugs by their names.
import { transformSync } from "esbuild";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const web = fileURLToPath(new URL(".", import.meta.url));
const bugs = [
  ["changes are shown before their bookmark", "app.ts",
    "s.change(m as unknown as Change);\n        return;", "s.change(m as unknown as Change);\n        return this.bookmark(\"\");", "history"],
  ["a layer goes when the write is answered", "app.ts",
    "if (!this.isFollowed(w)) this.drop(w);\n    else this.show(w);", "this.drop(w);", "app"],
  ["a layer never goes", "app.ts", "if (w) this.drop(w);\n  }\n\n  private drop", "}\n\n  private drop", "app"],
  ["a write that was cut off is not sent again", "app.ts", "if (!w.answered) this.sendWrite(w);", "", "app"],
  ["a write is sent again under another mutationId", "app.ts",
    "w.sent = this.connection.send(w.request);",
    "w.sent = this.connection.send({ ...w.request, mutationId: randomId() });", "app"],
  ["changes of an earlier connection stay", "subscription.ts",
    "restart(): void {\n    this.waiting = [];", "restart(): void {", "subscription"],
  ["a page is shown before its list is whole", "subscription.ts",
    "this.complete = !w.page.next;", "this.complete = true;", "subscription"],
  ["a cursor is kept past an unfinished list", "subscription.ts",
    "if (this.answered && !this.building) {", "if (this.answered) {", "subscription"],
  ["a reset is ignored", "subscription.ts", "this.building = new Copy();\n        this.complete = false;", "", "subscription"],
  ["a reset is ignored in a history", "subscription.ts", "this.building = new Copy();\n        this.complete = false;", "", "exact"],
  ["a cursor is kept past an unfinished list, in a history", "subscription.ts",
    "if (this.answered && !this.building) {", "if (this.answered) {", "exact"],
  ["a refused write stays", "app.ts", "    if (error) {\n      this.drop(w);", "    if (error) {", "app"],
  ["a document that is made again stays where it was", "view.ts",
    "kept.every((doc) => base.ids[data.indexOf(doc)] === doc._id)", "true", "view"],
  ["a document is a new object each time", "view.ts",
    "return doc && before && same(doc, before) ? before : doc;", "return doc && { ...doc };", "app"],
  ["an update moves its document to the front", "copy.ts",
    "if (!known) this.order.unshift(change.docId);",
    "this.order = [change.docId, ...this.order.filter((id) => id !== change.docId)];", "app"],
  // In Chromium: what people see, frame by frame.
  ["a row flickers while the gateway restarts", "app.ts",
    "if (!this.isFollowed(w)) this.drop(w);\n    else this.show(w);", "this.drop(w);", "e2e/restart"],
  ["a write while the gateway is away is lost", "app.ts", "if (!w.answered) this.sendWrite(w);", "", "e2e/restart"],
  ["a stream sends a write again under another key", "rest.ts",
    "JSON.stringify(request)", "JSON.stringify({ ...request, mutationId: `${Math.random()}` })", "e2e/stream"],
  ["a batch does not wait for the writes before it", "rest.ts",
    "Promise.all([this.alone, ...this.last.values()])", "this.alone", "e2e/stream"],
  ["any window is heard", "host/watch.ts",
    "if (!frame?.contentWindow || event.source !== frame.contentWindow) return null;", "", "e2e/frame"],
  ["a frame that has left is told changes", "host/sessions.ts", "if (!byPage) this.window?.mute();", "", "e2e/frame"],
  ["a document hears what the one before it has asked for", "host/sessions.ts",
    "this.window?.end();\n    this.window = null;", "", "e2e/frame"],
  ["a run that cannot be made has no start", "host/runs.ts",
    'post({ type: "second:agent:triggered"', 'if (!run.end) post({ type: "second:agent:triggered"', "e2e/agents"],
];

let missed = 0;
for (const [name, file, old, bug, tests] of bugs) {
  if (process.argv[2] && !process.argv.slice(2).some((word) => name.includes(word))) continue;
  const [source, of] = file.startsWith("host/") ? [file.slice("host/".length), "host"] : [file, "core"];
  mkdirSync(join(web, "node_modules/.planted"), { recursive: true }); // below it React is found
  const copy = mkdtempSync(join(web, "node_modules/.planted/"));
  cpSync(join(web, `packages/${of}/src`), copy, { recursive: true });
  const text = readFileSync(join(copy, source), "utf8");
  if (text.split(old).length !== 2) throw new Error(`${file} must have this text once: ${old}`);
  const planted = text.replace(old, () => bug);
  transformSync(planted, { loader: "ts" }); // a bug that does not parse would be noticed by anything
  writeFileSync(join(copy, source), planted);
  const where = tests.startsWith("e2e/") ? ["--config", "e2e/vitest.config.ts", tests] : [`packages/core/test/${tests}.test.ts`];
  const env = { ...process.env, [`SECONDGATE_${of.toUpperCase()}`]: copy, E2E_PATIENCE: "20000" };
  const run = spawnSync("npx", ["vitest", "run", "--bail=1", "--testTimeout=30000", ...where, "--retry=0"],
    { cwd: web, env, encoding: "utf8" });
  rmSync(copy, { recursive: true });
  const noticed = run.status !== 0;
  if (!noticed) missed++;
  console.log(`${noticed ? "caught" : "NOT NOTICED"}: ${name}`);
}
process.exit(missed === 0 ? 0 : 1);
