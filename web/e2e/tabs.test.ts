import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { rows, settled } from "./rows.js";
import { until, World } from "./world.js";

let world: World;
beforeAll(async () => {
  world = await World.start();
  await world.site.page("/leads", "leads.tsx");
});
afterAll(() => world?.stop());

const each = 40;

/** Writes rows as any other program does: three of them in one transaction. */
async function outside(from: number): Promise<void> {
  const values = [from, from + 1, from + 2].map(
    (i) => `('w', 'a', 'leads', json_object('name', 'outside ${i}'))`,
  );
  await promisify(execFile)("sqlite3", [
    "-cmd",
    ".timeout 60000",
    world.gateway.file,
    `INSERT INTO app_data (workspace_id, app_id, collection, data) VALUES ${values.join(", ")}`,
  ]);
}

test("two tabs and an outside writer converge", async () => {
  const tabs = [await world.tab("/leads"), await world.tab("/leads")];
  for (const tab of tabs) await settled(tab);
  await tabs[0]?.evaluate(`burst(0, ${each})`);
  await tabs[1]?.evaluate(`burst(100, ${100 + each})`);
  for (let i = 0; i < each; i += 3) await outside(i);
  const all = 2 * each + 3 * Math.ceil(each / 3);
  for (const tab of tabs) await until(async () => (await rows(tab)).length === all, "a tab has all rows");
  for (const tab of tabs) await settled(tab);
  const stored = (await world.gateway.list("leads")).map((doc) => String(doc["name"])).sort();
  expect(stored).toHaveLength(all);
  for (const tab of tabs) expect(await rows(tab)).toEqual(stored);
  expect(world.thrown).toEqual([]);
});
