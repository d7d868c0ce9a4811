import { createHmac } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connect, type Snapshot } from "@secondgate/core";
import { CutSocket, Gateway, until } from "./gateway.js";

const secret = "a secret of the tests, thirty-two bytes or more";
const lifetime = 12; // seconds

let gateway: Gateway;
let directory: string;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "secondgate-token-"));
  writeFileSync(join(directory, "secret"), secret);
  gateway = await Gateway.start(
    "--auth", "jwt", "--jwt-secret-file", join(directory, "secret"), "--jwt-issuer", "tests", "--jwt-audience", "gateway");
});
afterAll(async () => {
  await gateway?.stop();
  rmSync(directory, { recursive: true });
});

/** A token that ends soon. */
function sign(): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const exp = Math.floor(Date.now() / 1000) + lifetime;
  const claims = { iss: "tests", aud: "gateway", sub: "ann", exp, workspaces: { w: "owner" } };
  const text = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}

test("a token is refreshed under load, on the same socket, and nothing is stale in between", async () => {
  let sockets = 0;
  class CountedSocket extends CutSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols);
      sockets++;
    }
  }
  let tokens = 0;
  const app = connect({
    url: gateway.url, workspace: "w", app: "a", WebSocket: CountedSocket as unknown as typeof WebSocket,
    token: () => {
      tokens++;
      return sign();
    },
  });
  const snapshots: Snapshot<Record<string, unknown>>[] = [];
  app.collection("load").subscribe({ next: (s) => snapshots.push(s) });
  await until(() => snapshots.at(-1)?.status === "live", "the collection is live");
  const live = snapshots.length;
  const began = Date.now();
  let written = 0;
  // Until the first two tokens have ended: only a refreshed one can carry what is written then.
  while (tokens < 3 || Date.now() - began < 1.5 * lifetime * 1000) {
    await app.collection("load").upsert("counter", { n: ++written });
  }
  expect(app.collection("load").getSnapshot().data[0]).toMatchObject({ n: written });
  expect(new Set(snapshots.slice(live).map((s) => s.status))).toEqual(new Set(["live"]));
  expect(sockets).toBe(1);
  app.close();
});
