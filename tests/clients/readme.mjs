// The code of the README and of the guides, for those who run it.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";

export const HANDBOOK = "src/contract/documents/operate.md";

/**
 * The text of the one block of this language that has this in it, of the README or of another
 * document.
 */
export async function block(language, about = "", document = "README.md") {
  const text = await readFile(new URL(`../../${document}`, import.meta.url), "utf8");
  const found = [...text.matchAll(/^```(\S+)\n(.*?)^```$/gms)].filter(([, name, code]) => name === language && code.includes(about));
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
