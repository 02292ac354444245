/**
 * The index at which a text stops being JSON (RFC 8259); undefined where it is JSON. The engine's own message is of no
 * use for that: it quotes the text, which may hold secrets, and often leaves the place out.
 */
export function jsonErrorOffset(text: string): number | undefined {
  /** What closes the containers that are open, outermost first. */
  const open: ('}' | ']')[] = [];
  let at = skipSpace(text, 0);
  let expect: 'value' | 'value-or-end' | 'key' | 'key-or-end' | 'next' = 'value';
  for (;;) {
    at = skipSpace(text, at);
    const char = text[at];
    if (expect === 'next') {
      const closer = open.at(-1);
      if (closer === undefined) return at === text.length ? undefined : at;
      if (char === ',') {
        expect = closer === '}' ? 'key' : 'value';
      } else if (char === closer) {
        open.pop();
      } else {
        return at;
      }
      at += 1;
      continue;
    }
    if ((expect === 'value-or-end' || expect === 'key-or-end') && char === open.at(-1)) {
      open.pop();
      at += 1;
      expect = 'next';
      continue;
    }
    if (expect === 'key' || expect === 'key-or-end') {
      const key = endOfString(text, at);
      if (!key.ok) return key.at;
      at = skipSpace(text, key.at);
      if (text[at] !== ':') return at;
      at += 1;
      expect = 'value';
      continue;
    }
    if (char === '{' || char === '[') {
      open.push(char === '{' ? '}' : ']');
      at += 1;
      expect = char === '{' ? 'key-or-end' : 'value-or-end';
      continue;
    }
    const scalar = char === '"' ? endOfString(text, at) : endOfWord(text, at);
    if (!scalar.ok) return scalar.at;
    at = scalar.at;
    expect = 'next';
  }
}

interface Scan {
  readonly ok: boolean;
  /** Past the token, or where it goes wrong. */
  readonly at: number;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (text[at] === ' ' || text[at] === '\n' || text[at] === '\r' || text[at] === '\t') at += 1;
  return at;
}

function endOfString(text: string, from: number): Scan {
  if (text[from] !== '"') return { ok: false, at: from };
  let at = from + 1;
  for (;;) {
    const char = text[at];
    if (char === undefined || char < ' ') return { ok: false, at };
    if (char === '"') return { ok: true, at: at + 1 };
    if (char !== '\\') {
      at += 1;
      continue;
    }
    const escape = /^\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/.exec(text.slice(at, at + 6));
    if (escape === null) return { ok: false, at };
    at += escape[0].length;
  }
}

function endOfWord(text: string, from: number): Scan {
  for (const word of ['true', 'false', 'null']) {
    if (text.startsWith(word, from)) return { ok: true, at: from + word.length };
  }
  const number = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
  number.lastIndex = from;
  const found = number.exec(text);
  return found === null ? { ok: false, at: from } : { ok: true, at: from + found[0].length };
}
