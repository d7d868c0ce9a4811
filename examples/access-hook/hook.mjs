// A web app that tells secondgate who a request is from and what they may do:
//
//   node hook.mjs 127.0.0.1:3000
//   secondgate serve --auth forward=http://127.0.0.1:3000/access
//
// docs/security.md has the contract. This one knows two sessions by heart; yours asks its own database.
import { createServer } from "node:http";

const sessions = { "ada-session": { id: "ada", name: "Ada" }, "bob-session": { id: "bob", name: "Bob" } };
const workspaces = { ada: { acme: "member" }, bob: { acme: "member" } }; // owner, admin or member
const apps = { ada: { crm: "creator" }, bob: { crm: "viewer" } }; // creator, collaborator or viewer

const server = createServer((request, response) => {
  const url = new URL(request.url, "http://hook");
  const refuse = (status) => response.writeHead(status).end();
  if (url.pathname !== "/access") return refuse(404);
  const session = /(?:^|; *)session=([^;]*)/.exec(request.headers.cookie ?? "")?.[1];
  const user = sessions[session];
  if (!user) return refuse(401);
  // version is draft or published: the gateway decides it by the role
  const workspaceRole = workspaces[user.id][url.searchParams.get("workspace")];
  if (!workspaceRole) return refuse(404);
  const appRole = apps[user.id][url.searchParams.get("app")];
  response.writeHead(200, { "Content-Type": "application/json" });
  response.end(JSON.stringify({ user, workspaceRole, appRole }));
});

const [host, port] = process.argv[2].split(":");
server.listen(Number(port), host);
