import { secretsInLine, secretsInText } from './secret-spans.ts';
import { quoteUnless } from './util/quote.ts';
import { type Span, ValueIndex } from './util/value-index.ts';

/** What stands in place of a secret. */
const MASK = '***';

const BUILT_IN_PATTERNS = ['*TOKEN*', '*SECRET*', '*PASSWORD*', '*KEY*'] as const;

/** `escapeControl` and `argv` give at most this many characters unless told otherwise. */
const MAX_SHOWN = 4_096;

export interface RedactorOptions {
  /** Key patterns besides the built-in ones; `*` stands for any characters, `?` for one; case does not matter. */
  readonly patterns?: readonly string[];
  /** Secrets to mask wherever they appear. Those of fewer than 4 characters are not looked for. */
  readonly values?: readonly string[];
}

/** Takes secrets out of what people get to see. Masks rather too much than too little. */
export interface Redactor {
  isSecretKey(key: string): boolean;
  /** The value as it may be shown: masked wholly where the key is secret, else by what `text` finds in it. */
  value(key: string, value: string): string;
  /**
   * Masks known values, credentials in URLs, and what follows a secret key in `KEY=value`, `key: value`,
   * `--key value` and an `Authorization` header. The time is linear in the text's length.
   */
  text(text: string): string;
  /** Masks a line of YAML or dotenv source, character by character, so that every column stays where it is. */
  line(line: string): string;
  /** Each argument of a command as it may be shown, neither quoted nor escaped. */
  args(argv: readonly string[]): readonly string[];
  /** A command line for people: quoted where needed, control characters escaped, secrets masked, bounded. */
  argv(argv: readonly string[]): string;
}

export function createRedactor({ patterns = [], values = [] }: RedactorOptions): Redactor {
  const globs = [...BUILT_IN_PATTERNS, ...patterns].map((pattern) => pattern.toLowerCase());
  const index = new ValueIndex(values);
  const isSecretKey = (key: string): boolean => {
    const lower = key.toLowerCase();
    return globs.some((glob) => matchesGlob(glob, lower));
  };
  const text = (source: string): string =>
    cover(source, [...index.find(source), ...secretsInText(source, isSecretKey)], () => MASK);
  return {
    isSecretKey,
    value: (key, value) => (isSecretKey(key) ? MASK : text(value)),
    text,
    line: (source) =>
      cover(source, [...index.find(source), ...secretsInLine(source, isSecretKey)], (length) =>
        '*'.repeat(length),
      ),
    args: (argv) => maskArgs(argv, isSecretKey, text),
    argv: (argv) => showArgv(maskArgs(argv, isSecretKey, text)),
  };
}

/** Replaces the spans; overlapping and touching ones become one. */
function cover(text: string, spans: readonly Span[], mask: (length: number) => string): string {
  if (spans.length === 0) return text;
  const sorted = spans.filter((s) => s.end > s.start).sort((a, b) => a.start - b.start || a.end - b.end);
  let out = '';
  let done = 0;
  for (let i = 0; i < sorted.length;) {
    const { start } = sorted[i] ?? { start: text.length };
    let end = start;
    for (; i < sorted.length && (sorted[i]?.start ?? Infinity) <= end; i += 1) {
      end = Math.max(end, sorted[i]?.end ?? end);
    }
    out += text.slice(done, start) + mask(end - start);
    done = end;
  }
  return out + text.slice(done);
}

/** Two pointers and one way back, so that many `*` in a pattern cost no more than its length times the key's. */
function matchesGlob(glob: string, text: string): boolean {
  let g = 0;
  let star = -1;
  let resume = 0;
  for (let t = 0; t < text.length;) {
    const unit = glob.charAt(g);
    if (unit === '*') {
      star = g;
      resume = t;
      g += 1;
    } else if (unit !== '' && (unit === '?' || unit === text.charAt(t))) {
      g += 1;
      t += 1;
    } else if (star !== -1) {
      g = star + 1;
      resume += 1;
      t = resume;
    } else return false;
  }
  return /^\**$/.test(glob.slice(g));
}

/** Options of well-known programs whose argument is a password, or `user:password`. */
const PASSWORD_OPTIONS: Readonly<
  Record<string, { readonly attached?: string; readonly following?: string[] }>
> = {
  mysql: { attached: '-p' },
  mysqladmin: { attached: '-p' },
  mysqldump: { attached: '-p' },
  mariadb: { attached: '-p' },
  'mariadb-dump': { attached: '-p' },
  sshpass: { attached: '-p', following: ['-p'] },
  'redis-cli': { following: ['-a'] },
  curl: { attached: '-u', following: ['-u', '--user', '-U', '--proxy-user'] },
};

function showArgv(argv: readonly string[]): string {
  let out = '';
  for (const [i, argument] of argv.entries()) {
    out += (i === 0 ? '' : ' ') + quoteUnless(PLAIN_TO_PEOPLE, escapeControl(argument));
    if (out.length > MAX_SHOWN) return `${out.slice(0, MAX_SHOWN)}...`;
  }
  return out;
}

function maskArgs(
  argv: readonly string[],
  isSecretKey: (key: string) => boolean,
  text: (text: string) => string,
): readonly string[] {
  const program = /[^/]*$/.exec(argv[0] ?? '')?.[0] ?? '';
  const options = Object.hasOwn(PASSWORD_OPTIONS, program) ? PASSWORD_OPTIONS[program] : undefined;
  return argv.map((argument, i) => masked(argument, i === 0 ? '' : (argv[i - 1] ?? '')));

  function masked(argument: string, before: string): string {
    const flag = /^--?([A-Za-z][\w-]*)$/.exec(before)?.[1];
    if (flag !== undefined && isSecretKey(flag) && !argument.startsWith('-')) return MASK;
    if (options?.following?.includes(before) === true) return MASK;
    const { attached } = options ?? {};
    if (attached !== undefined && argument.length > 2 && argument.startsWith(attached))
      return attached + MASK;
    // An argument is one value whatever spaces it holds, which in text would end it.
    const pair = /^(?:--?)?([\w.-]+)=/.exec(argument);
    if (pair?.[1] !== undefined && isSecretKey(pair[1])) return pair[0] + MASK;
    return text(argument);
  }
}

/** Only to be read: a mask stays as it is. */
const PLAIN_TO_PEOPLE = /^[\w@%+=:,.*/~-]+$/;

/** C0, DEL, C1, line and paragraph separators, bidirectional controls (UAX #9), the byte order mark, lone surrogates. */
const UNSAFE =
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]|\p{Surrogate}/gu;

const SHORT_ESCAPES: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/**
 * Makes visible what a terminal would act upon or hide: `\n`, `\x1b`, `\u202e`. Longer texts are cut to `max`
 * characters and end in `...`.
 */
export function escapeControl(text: string, max = MAX_SHOWN): string {
  const cut = text.length > max ? text.slice(0, max) : text;
  const escaped = cut.replace(UNSAFE, (unit) => SHORT_ESCAPES[unit] ?? hex(unit.charCodeAt(0)));
  return cut === text && escaped.length <= max ? escaped : `${escaped.slice(0, max)}...`;
}

function hex(unit: number): string {
  return unit < 0x100
    ? `\\x${unit.toString(16).padStart(2, '0')}`
    : `\\u${unit.toString(16).padStart(4, '0')}`;
}
