import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { databases, startDatabase, type Database } from "./database.js";
import { rows, settled } from "./rows.js";
import { until, World } from "./world.js";

const each = 170;

describe.each(databases)("on %s", (kind) => {
  let database: Database;
  let world: World;
  beforeAll(async () => {
    database = await startDatabase(kind);
    world = await World.start(...database.flags);
    await world.site.page("/leads", "leads.tsx");
  });
  afterAll(async () => {
    await world?.stop();
    await database?.stop();
  });

  test("two tabs and an outside writer converge", async () => {
    const tabs = [await world.tab("/leads"), await world.tab("/leads")];
    for (const tab of tabs) await settled(tab);
    await tabs[0]?.evaluate(`burst(0, ${each})`);
    await tabs[1]?.evaluate(`burst(1000, ${1000 + each})`);
    for (let i = 0; i < each; i += 5) {
      await database.insert([0, 1, 2, 3, 4].map((n) => `outside ${i + n}`)); // in one transaction
    }
    const all = 3 * each;
    for (const tab of tabs) await until(async () => (await rows(tab)).length === all, "a tab has all rows");
    for (const tab of tabs) await settled(tab);
    const stored = (await world.gateway.list("leads")).map((doc) => String(doc["name"])).sort();
    expect(stored).toHaveLength(all);
    for (const tab of tabs) expect(await rows(tab)).toEqual(stored);
    expect(world.thrown).toEqual([]);
  });
});
