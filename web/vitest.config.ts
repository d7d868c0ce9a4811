import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

// planted.mjs has the tests run against a copy of the source with a bug in it.
const core = process.env["SECONDGATE_CORE"] ?? fileURLToPath(new URL("packages/core/src", import.meta.url));

export default defineConfig({
  resolve: { alias: { "@secondgate/core": `${core}/index.ts` } },
  test: { include: ["{packages/*,explorer}/test/**/*.test.{ts,tsx}"], testTimeout: 90_000, hookTimeout: 60_000 },
});
