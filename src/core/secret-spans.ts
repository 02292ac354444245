import type { Span } from './util/value-index.ts';

/** Tells secret keys from others. */
export type IsSecretKey = (key: string) => boolean;

/** A quoted value; an unclosed quote reaches to the end of its line. Alternatives never overlap. */
const QUOTED = String.raw`"(?:[^"\\\n]|\\.)*(?:"|(?=\n)|$)|'[^'\n]*(?:'|(?=\n)|$)`;

/** After a `=` or a flag: up to white space. */
const VALUE = new RegExp(String.raw`${QUOTED}|[^\s"']\S*`, 'y');

/** After a `:`, where it may stand in a flow map or JSON. */
const FLOW_VALUE = new RegExp(String.raw`${QUOTED}|[^\s"'][^\s,}\]]*`, 'y');

/** `KEY=`, `key: `, `"key":`, `--flag=`. A key is tried from its first character only. */
const KEY = /(?<![\w.-])(?<lead>["']?)(?<key>[\w.-]+)\k<lead>(?<between>[ \t]*(?:=|:(?!\/\/))[ \t]*)/g;

/** `--password `. */
const FLAG = /(?<![\w-])--?(?<key>[A-Za-z][\w-]*)(?<between>[ \t]+)(?!-)/g;

/** `--password, ` in a YAML list of arguments. */
const LISTED_FLAG = /(?<![\w-])--?(?<key>[A-Za-z][\w-]*)["']?(?<between>[ \t]*,[ \t]*)(?!["']?-)/g;

/** RFC 9110, 11.6.2 and 11.7.2: a scheme, then the credentials. */
const AUTHORIZATION =
  /(?<![\w-])(?:proxy-)?authorization["']?[ \t]*[:=][ \t]*["']?(?:[A-Za-z][\w-]*[ \t]+)?(?<value>[^"'\n]+)/dgi;

/** RFC 6750, 2.1; long enough not to be prose. */
const BEARER = /(?<![\w-])bearer[ \t]+(?<value>[\w.~+/=-]{16,})/dgi;

/** Names of exceptions that hold a secret word and are followed by a message: `KeyError: 'home'`. */
const EXCEPTION = /(?:Error|Exception|Interrupt|Warning)$/;

/** In prose this word stands before a colon without naming a secret: "unknown key: colour". */
const PROSE = /^keys?$/i;

/** What a YAML value is without holding anything secret itself: nothing, a block's mark, a reference to a variable. */
const NO_SECRET = /^(?:[|>][-+0-9]*|~|null|[*&!][\w.-]*|\$\{?\w+\}?)?$/;

interface Found {
  readonly key: string;
  /** The quote before the key, if any. */
  readonly lead: string;
  readonly colon: boolean;
  readonly keyStart: number;
  readonly start: number;
  /** With its quotes; empty where there is none. Looked for only when asked for. */
  readonly value: () => string;
}

/**
 * Calls `take` with each secret key and what follows it. A value may itself hold keys with values that reach further,
 * so it is gone through as well; but what is covered already is not looked at again, which keeps the time linear.
 */
function spansAfter(
  shape: RegExp,
  text: string,
  isSecret: IsSecretKey,
  take: (found: Found) => Span | undefined,
): readonly Span[] {
  const spans: Span[] = [];
  let covered = 0;
  for (const match of text.matchAll(shape)) {
    const { key = '', lead = '', between = '' } = match.groups ?? {};
    const start = match.index + match[0].length;
    if ((start < covered && !/["']/.test(text.charAt(start))) || !isSecret(key)) continue;
    const colon = between.includes(':');
    const value = (): string => {
      const pattern = colon || between.includes(',') ? FLOW_VALUE : VALUE;
      pattern.lastIndex = start;
      return pattern.exec(text)?.[0] ?? '';
    };
    const span = take({ key, lead, colon, keyStart: match.index, start, value });
    if (span === undefined) continue;
    spans.push(span);
    covered = Math.max(covered, span.end);
  }
  return spans;
}

/** This much of a line before a key is looked at to learn where the key stands. */
const CONTEXT = 200;

/** Longer than any reference to a variable that is shown as it is. */
const MAX_REFERENCE = 100;

/** Where secrets stand in a text of any kind, by the shapes in which they are commonly written. */
export function secretsInText(text: string, isSecret: IsSecretKey): readonly Span[] {
  const pairs = spansAfter(KEY, text, isSecret, ({ key, lead, colon, value, start }) => {
    if (colon && lead === '' && (PROSE.test(key) || EXCEPTION.test(key))) return undefined;
    const found = value();
    if (found === '') return undefined;
    return unquoted(found, start);
  });
  return [...credentialsInUrls(text), ...authorizations(text), ...flags(text, isSecret), ...pairs];
}

/**
 * Where secrets stand in one line of YAML or dotenv source. Unlike in other text, a value reaches to the end of the
 * line or to its comment.
 */
export function secretsInLine(line: string, isSecret: IsSecretKey): readonly Span[] {
  const pairs = spansAfter(KEY, line, isSecret, (found) => {
    const span = lineValue(line, found);
    return NO_SECRET.test(line.slice(span.start, Math.min(span.end, span.start + MAX_REFERENCE)).trim())
      ? undefined
      : span;
  });
  const listed = flags(line, isSecret, LISTED_FLAG);
  return [...credentialsInUrls(line), ...authorizations(line), ...flags(line, isSecret), ...listed, ...pairs];
}

function lineValue(line: string, { value, start, keyStart, colon }: Found): Span {
  const before = line.slice(Math.max(0, keyStart - CONTEXT), keyStart);
  if (/["']/.test(line.charAt(start))) return unquoted(value(), start);
  if (/["']$/.test(before)) return until(line, start, before.slice(-1));
  if (isInFlow(before)) return unquoted(value(), start);
  const leads = keyStart <= CONTEXT && /^\s*(?:-\s+)*(?:export\s+)?$/.test(before);
  if (!colon && !leads) return unquoted(value(), start);
  return { start, end: start + line.slice(start).search(/(?<!\s)\s+#|(?<!\s)\s*$/) };
}

function isInFlow(before: string): boolean {
  return /[{[]/.test(before) && !/[}\]][^{[]*$/.test(before);
}

function until(line: string, start: number, quote: string): Span {
  const end = line.indexOf(quote, start);
  return { start, end: end === -1 ? line.length : end };
}

/** The value without its quotes. */
function unquoted(value: string, start: number): Span {
  const quote = value.charAt(0);
  if (quote !== '"' && quote !== "'") return { start, end: start + value.length };
  const closed = value.length > 1 && value.endsWith(quote);
  return { start: start + 1, end: start + value.length - (closed ? 1 : 0) };
}

function flags(text: string, isSecret: IsSecretKey, shape = FLAG): readonly Span[] {
  return spansAfter(shape, text, isSecret, ({ value, start }) => {
    const found = value();
    return found === '' ? undefined : unquoted(found, start);
  });
}

function authorizations(text: string): readonly Span[] {
  return [...text.matchAll(AUTHORIZATION), ...text.matchAll(BEARER)].flatMap((match) => {
    const at = match.indices?.groups?.['value'];
    return at === undefined ? [] : [{ start: at[0], end: at[1] }];
  });
}

/**
 * `scheme://user:password@host`, and `https://token@host`. What is between two `://` is looked at once, so that the
 * time stays linear.
 */
function credentialsInUrls(text: string): readonly Span[] {
  const spans: Span[] = [];
  let mark = text.indexOf('://');
  while (mark !== -1) {
    const next = text.indexOf('://', mark + 3);
    const start = mark + 3;
    const token = /^[^\s"'<>]*/.exec(text.slice(start, next === -1 ? undefined : next))?.[0] ?? '';
    const span = credentials(token, text.slice(Math.max(0, mark - 5), mark));
    if (span !== undefined) spans.push({ start: start + span.start, end: start + span.end });
    mark = next;
  }
  return spans;
}

/** RFC 3986, 3.2.1: userinfo ends at the last `@` of the authority, whose end is the first `/`, `?` or `#`. */
function credentials(token: string, scheme: string): Span | undefined {
  const authority = /^[^/?#]*/.exec(token)?.[0] ?? '';
  const colon = authority.startsWith('[') ? -1 : authority.indexOf(':');
  // A password with an unescaped `/` in it: what follows the colon is no port, so an `@` must still come.
  const isPort = colon !== -1 && /^\d*$/.test(authority.slice(colon + 1));
  const reach = colon === -1 || isPort ? authority : token;
  const at = reach.lastIndexOf('@');
  if (at === -1) return undefined;
  if (colon !== -1 && colon < at) return at === colon + 1 ? undefined : { start: colon + 1, end: at };
  return /(?:^|[^a-z])https?$/i.test(scheme) && at > 0 ? { start: 0, end: at } : undefined;
}
