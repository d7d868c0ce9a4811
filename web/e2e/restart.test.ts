import { beforeEach, describe, expect, test } from "vitest";
import { databases } from "./database.js";
import { expectNoFlicker, rows, settled } from "./rows.js";
import { until, worldOver } from "./world.js";

const answers = "({ done: answers.done, refused: [...answers.refused] })";

describe.each(databases)("on %s", (kind) => {
  const over = worldOver(kind);
  beforeEach(() => over.world.closeTabs());

  test("a gateway that is killed in mid-burst loses and doubles nothing, and no row flickers", async () => {
    const tab = await over.world.tab("/leads");
    await settled(tab);
    await tab.evaluate("burst(0, 200)");
    for (const some of [30, 80, 130]) {
      await until(async () => (await rows(tab)).length > some, `more than ${some} rows are shown`);
      await over.world.gateway.kill();
      await over.world.gateway.run();
    }
    await until(async () => (await tab.evaluate<number>("answers.done")) === 200, "all writes are answered");
    await settled(tab);
    const want = Array.from({ length: 200 }, (_, i) => `lead ${i}`).sort();
    expect((await over.world.gateway.list("leads")).map((doc) => doc["name"]).sort()).toEqual(want);
    expect(await rows(tab)).toEqual(want);
    expectNoFlicker(await tab.evaluate<string[][]>("frames"));
    expect(over.world.thrown).toEqual([]);
  });

  test("of 50 writes while the gateway is away one is refused, and only that one is taken back", async () => {
    const tab = await over.world.tab("/leads");
    await settled(tab);
    const before = await rows(tab);
    await over.world.gateway.kill();
    await tab.getByText(/stale/).waitFor();
    await tab.evaluate(`for (let i = 0; i < 49; i++) count(leads.insert({ name: "queued " + i }));
      count(leads.insert({ name: "x".repeat(1 << 20) }))`);
    await until(async () => (await rows(tab)).length === before.length + 50, "all 50 are shown at once");
    await over.world.gateway.run();
    await settled(tab);
    expect(await tab.evaluate(answers)).toEqual({ done: 49, refused: ["too_large"] });
    const want = [...before, ...Array.from({ length: 49 }, (_, i) => `queued ${i}`)].sort();
    expect(await rows(tab)).toEqual(want);
    expect((await over.world.gateway.list("leads")).map((doc) => doc["name"]).sort()).toEqual(want);
    expectNoFlicker(await tab.evaluate<string[][]>("frames"));
  });
});
