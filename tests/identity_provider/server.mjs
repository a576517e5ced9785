// A real OpenID provider for the tests. The login form takes any name; its claims are set over /people.
import { createServer } from "node:http";
import { Provider } from "oidc-provider";

const [port, clientId, clientSecret, redirectUri] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const people = new Map();

const provider = new Provider(issuer, {
  clients: [{ client_id: clientId, client_secret: clientSecret, redirect_uris: [redirectUri] }],
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name", "groups"] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, ...people.get(id) }),
  }),
  pkce: { required: () => true },
  cookies: { keys: ["only for tests"] },
});

async function body(request) {
  let text = "";
  for await (const part of request) text += part;
  return text;
}

createServer(async (request, response) => {
  if (request.url === "/people") {
    for (const [id, claims] of Object.entries(JSON.parse(await body(request)))) people.set(id, claims);
    response.end("kept");
    return;
  }
  provider.callback()(request, response);
}).listen(Number(port), "127.0.0.1", () => console.log("listening"));
