import { describe, expect, test } from "vitest";
import { databases } from "./database.js";
import { rows, settled } from "./rows.js";
import { until, worldOver } from "./world.js";

const each = 170;

describe.each(databases)("on %s", (kind) => {
  const over = worldOver(kind);

  test("two tabs and an outside writer converge", async () => {
    const tabs = [await over.world.tab("/leads"), await over.world.tab("/leads")];
    for (const tab of tabs) await settled(tab);
    await tabs[0]?.evaluate(`burst(0, ${each})`);
    await tabs[1]?.evaluate(`burst(1000, ${1000 + each})`);
    for (let i = 0; i < each; i += 5) {
      await over.database.insert([0, 1, 2, 3, 4].map((n) => `outside ${i + n}`)); // in one transaction
    }
    const all = 3 * each;
    for (const tab of tabs) await until(async () => (await rows(tab)).length === all, "a tab has all rows");
    for (const tab of tabs) await settled(tab);
    const stored = (await over.world.gateway.list("leads")).map((doc) => String(doc["name"])).sort();
    expect(stored).toHaveLength(all);
    for (const tab of tabs) expect(await rows(tab)).toEqual(stored);
    expect(over.world.thrown).toEqual([]);
  });
});
