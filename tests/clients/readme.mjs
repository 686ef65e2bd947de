// The README's code, for those who run it.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";

/** The text of the one block of this language that has this in it. */
export async function block(language, about = "") {
  const readme = await readFile(new URL("../../README.md", import.meta.url), "utf8");
  const found = [...readme.matchAll(/^```(\S+)\n(.*?)^```$/gms)].filter(([, name, text]) => name === language && text.includes(about));
  assert.equal(found.length, 1, `blocks of ${language} ${about}`);
  return found[0][2];
}

/** The text with each of these replaced by its other; every one must be there. */
export function replaced(text, pairs) {
  for (const [one, other] of Object.entries(pairs)) {
    assert.ok(text.includes(one), `${one} is not in:\n${text}`);
    text = text.replaceAll(one, other);
  }
  return text;
}
