import type { Operation, Second } from "@secondgate/core";

const leads = [
  ["ada", "Ada Lovelace", "Analytical Engines", "won"],
  ["grace", "Grace Hopper", "Compilers & Co.", "talking"],
  ["alan", "Alan Turing", "Bletchley Consulting", "new"],
  ["hedy", "Hedy Lamarr", "Spread Spectrum", "talking"],
  ["katherine", "Katherine Johnson", "Orbital Paths", "new"],
] as const;

/** Some leads, as one transaction. Those that are there already become what they were. */
export function samples(): Operation[] {
  return leads.map(([docId, name, company, stage]) => ({
    operation: "upsert",
    collection: "leads",
    docId,
    data: { name, company, stage, sentAt: Date.now(), by: "page" },
  }));
}

/** Many writes at once, as an import or an agent makes them. */
export function burst(app: Second): Promise<unknown> {
  const one = (i: number): Promise<unknown> =>
    app.collection("leads").upsert(`burst-${i}`, {
      name: `Import ${i + 1}`,
      company: "From a burst",
      stage: "new",
      sentAt: Date.now(),
      by: "page",
    });
  return Promise.all(Array.from({ length: 200 }, (_, i) => one(i)));
}
