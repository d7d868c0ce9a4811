import { expect, test } from "vitest";
import type { Doc } from "@secondgate/core";
import { dice } from "./dice.js";

// planted.mjs has the tests run against a copy of the source with a bug in it.
const core = process.env["SECONDGATE_CORE"] ?? new URL("../src", import.meta.url).pathname;
const { Subscription } = (await import(`${core}/subscription.ts`)) as typeof import("../src/subscription.js");
const { View } = (await import(`${core}/view.ts`)) as typeof import("../src/view.js");

/** Few changes are put into what is shown, many have it built anew: people see the same documents in the same order. */
test.each(Array.from({ length: 30 }, (_, i) => i + 1))(
  "what is shown is the copy, in its order (seed %i)",
  (seed) => {
    const roll = dice(seed);
    const copy = new Subscription("c", null);
    const view = new View(copy, () => [], { follow: () => undefined, leave: () => undefined });
    const docs = Array.from({ length: 30 }, (_, i) => ({ _id: `d${i}`, n: 0 }));
    copy.page({ type: "second:data:subscribe-response", docs }, true);
    for (let at = 0; at < 200; at++) {
      for (let changes = roll(10) === 0 ? 80 : roll(6); changes > 0; changes--) {
        const docId = `d${roll(40)}`;
        if (roll(3) === 0) copy.change({ collection: "c", docId, operation: "delete" });
        else copy.change({ collection: "c", docId, operation: "update", doc: { _id: docId, n: roll(3) } });
      }
      const before = new Map(view.getSnapshot().data.map((doc) => [doc._id, doc]));
      view.refresh(copy.bookmark(`${at}`));
      const shown = view.getSnapshot().data as Doc<{ n: number }>[];
      expect(shown).toEqual(copy.base.ids.map((id) => copy.base.docs.get(id)));
      for (const doc of shown) {
        const was = before.get(doc._id);
        if (was?.["n"] === doc.n) expect(doc, "what has not changed is the same object").toBe(was);
      }
    }
  },
);
