// The server's own two documents, held against what stock clients hear and against themselves. The
// server's other tests do the same for every frame and body of theirs; here the documents are read
// by another validator.

import assert from "node:assert/strict";
import Ajv7 from "ajv";
import Ajv2020 from "ajv/dist/2020.js";

const OPTIONS = { strict: false, allErrors: true, formats: { "date-time": (text) => !Number.isNaN(Date.parse(text)) } };

export class Documents {
  #checks = new Map();

  constructor(openapi, asyncapi) {
    Object.assign(this, { openapi, asyncapi });
    this.rest = new Ajv2020(OPTIONS);
    this.events = new Ajv7(OPTIONS);
  }

  /** Those of the server at this address. */
  static async of(url) {
    const [openapi, asyncapi] = await Promise.all(
      ["/api/openapi.json", "/api/asyncapi.json"].map(async (path) => (await fetch(url + path)).json()),
    );
    return new Documents(openapi, asyncapi);
  }

  #check(ajv, document, key, schema, value) {
    let check = this.#checks.get(key);
    if (!check) this.#checks.set(key, (check = ajv.compile({ components: document.components, allOf: [schema] })));
    assert.ok(check(value), `${key}: ${JSON.stringify(value)}: ${ajv.errorsText(check.errors)}`);
  }

  /** The documented path that this one is of. */
  #route(path) {
    const parts = (path.startsWith("/api/") ? path.replace(/\/$/, "") : path).split("/");
    const fits = (pattern) =>
      pattern.split("/").length === parts.length && pattern.split("/").every((part, at) => part.startsWith("{") || part === parts[at]);
    return Object.keys(this.openapi.paths)
      .filter(fits)
      .sort((a, b) => a.split("{").length - b.split("{").length)[0];
  }

  #operation(method, path) {
    const route = this.#route(path);
    return { route, operation: route && this.openapi.paths[route][method === "HEAD" ? "get" : method.toLowerCase()] };
  }

  /**
   * An answer of a documented route is as documented; one of any other path says that nothing is
   * there.
   */
  reply(method, target, { status, body, headers }) {
    const path = target.split("?")[0];
    if (method === "OPTIONS" || path.startsWith("/socket.io/") || status === 304) return;
    const { route, operation } = this.#operation(method, path);
    if (!operation) {
      if (status === 200 && !path.startsWith("/api/")) return;
      assert.ok([404, 405].includes(status), `${method} ${target} is not documented: ${status}`);
      return;
    }
    const response = operation.responses[status];
    assert.ok(response, `${method} ${route}: ${status} is not documented: ${JSON.stringify(body)}`);
    // By tus most is said in headers.
    if (body === undefined && !headers.get("content-type")) return;
    const content = response.content[headers.get("content-type")] ?? response.content["*/*"];
    assert.ok(content, `${method} ${route}: ${headers.get("content-type")} is not documented for ${status}`);
    if (body === undefined) return;
    this.#check(this.rest, this.openapi, `${method} ${route} ${status}`, content.schema, body);
    if (body?.success === false) this.#refusal(`${method} ${route} ${status}`, response, body);
  }

  /** A refusal has one of the codes that are listed for it. */
  #refusal(key, { "x-codes": codes }, { error }) {
    assert.ok(codes?.includes(error.code), `${key}: ${error.code} is not one of ${codes}`);
  }

  /**
   * A request of one who keeps to the documents: of a documented route, with the body that is read
   * there.
   */
  request(method, target, body) {
    const { route, operation } = this.#operation(method, target.split("?")[0]);
    assert.ok(operation, `${method} ${target} is not documented`);
    if (body === undefined) return;
    const content = operation.requestBody?.content["application/json"];
    assert.ok(content, `${method} ${route} reads no body`);
    this.#check(this.rest, this.openapi, `${method} ${route} request`, content.schema, body);
  }

  #message(key, payload) {
    const message = this.asyncapi.components.messages[key];
    assert.ok(message, `${key} is not documented: ${JSON.stringify(payload)}`);
    this.#check(this.events, this.asyncapi, key, message.payload, payload);
    return message;
  }

  /** What opens a socket: `connect`, and the answers `connected` and `connect_error`. */
  connecting(key, payload) {
    this.#message(key, payload);
  }

  /** An event of a client that keeps to the documents. */
  said(name, payload) {
    this.#message(`from_client.${name}`, payload);
  }

  /** An event that was heard. */
  event(name, [payload, ...more]) {
    const message = this.#message(`to_client.${name}`, payload);
    assert.ok(more.length === 0 || (message["x-cursor"] && more.length === 1 && typeof more[0] === "string"), `${name}: ${more}`);
  }

  /** An ack, and what was sent where that went well. */
  ack(name, [payload], answer) {
    if (!this.asyncapi.components.messages[`ack.${name}`] && answer?.error?.code === "invalid_payload") return;
    const message = this.#message(`ack.${name}`, answer);
    if (answer.success) this.said(name, payload);
    else this.#refusal(`ack.${name}`, message, answer);
  }
}
