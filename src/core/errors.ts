import { type CheckedPattern, checkPattern } from './util/pattern-check.ts';
import { escapeControl } from './redact.ts';
import type { ErrorPattern } from './service.ts';

const MAX_LINES = 200;
const MAX_LINE = 1_000;
const MAX_CAUSE = 200;

/** Steps that a backtracking matcher may need for one line, and for everything asked at once (about a tenth of a second). */
const STEPS_PER_LINE = 1_000_000;
const STEPS_IN_ALL = 10_000_000;

/**
 * What a failing service's last lines mean by its `errors`: the message of the first pattern, in the order given, that
 * matches a line; among that pattern's lines the last one counts. Looks at the last 200 lines and the first 1,000
 * characters of each (fewer where the pattern has many wildcards), so that no output can hang the caller. At most 200
 * characters, control characters escaped; secrets are not masked here.
 */
export function explainError(
  lines: readonly string[],
  patterns: readonly ErrorPattern[],
): string | undefined {
  const tail = lines.slice(-MAX_LINES).map(plain).reverse();
  let steps = 0;
  for (const { match, message } of patterns) {
    const checked = checkPattern(match);
    if (!checked.ok) continue;
    for (const line of tail) {
      const part = affordable(line, checked.value);
      steps += stepsFor(part, checked.value);
      if (steps > STEPS_IN_ALL) return undefined;
      const found = checked.value.regexp.exec(part);
      if (found !== null) return shown(fillIn(message, found));
    }
  }
  return undefined;
}

/**
 * Says whether a regular expression of a manifest is safe to run on whatever a service writes: it compiles, and no
 * quantified group can match the same text in many ways. Errs on the side of refusing. The error says what to change.
 */
export function isSafePattern(
  source: string,
): { readonly ok: true } | { readonly ok: false; readonly error: string } {
  const checked = checkPattern(source);
  return checked.ok ? { ok: true } : checked;
}

/**
 * Worst case: n characters can be shared out among d wildcards in n^d / d! ways, from each place where a match may begin.
 */
function stepsFor(text: string, { cost, prefix }: CheckedPattern): number {
  const starts = prefix === '' ? undefined : text.split(prefix).length - 1;
  const degree = starts === undefined ? cost.degree : cost.degree - 1;
  const length = Math.max(1, text.length);
  let steps = cost.factor * (starts ?? 1) * length;
  for (let i = 2; i <= degree; i += 1) steps *= length / i;
  return steps;
}

function affordable(line: string, pattern: CheckedPattern): string {
  let part = line;
  while (part.length > 1 && stepsFor(part, pattern) > STEPS_PER_LINE) {
    part = part.slice(0, Math.floor(part.length * 0.8));
  }
  return part;
}

/** `$1` .. `$9` and `$<name>`; a group that took no part stands for nothing. */
function fillIn(message: string, found: RegExpExecArray): string {
  return message.replace(/\$(?:([1-9])|<([^<>]*)>)/g, (_, number?: string, name?: string) =>
    number === undefined ? (found.groups?.[name ?? ''] ?? '') : (found[Number(number)] ?? ''),
  );
}

/** What runtimes write after the line that says what went wrong: frames, carets, brackets, versions, blank lines. */
const AFTERMATH =
  /^\s*$|^\s*at\s|^\s+\S|^Node\.js v\d|^[\s^~]+$|^[\s})\];,]+$|^note: |^Require stack:|^- |^goroutine \d|^exit status \d|^(?:created by|Caused by|\.\.\. \d)|^(?:main|runtime)\.\S*\(/;

/** A line that names an error: `TypeError: x is not a function`, `java.io.IOException: no`, `panic: no`, `error: no`. */
const NAMED =
  /^(?:Uncaught |Unhandled |Exception in thread "[^"]*" )?(?:[\w.$]*(?:Error|Exception)(?: \[\w+\])?|panic|fatal(?: error)?|error(?:\[\w+\])?): \S/i;

/**
 * The line of a failing service's output that tells most: the last that names an error, where only its aftermath
 * follows, else the last that is more than aftermath, else the last that is not blank. Bounded like `explainError`.
 */
export function lastMeaningfulLine(lines: readonly string[]): string | undefined {
  const tail = lines.slice(-MAX_LINES).map(plain);
  let meaningful: string | undefined;
  for (const line of tail.toReversed()) {
    if (NAMED.test(line)) return shown(line);
    if (AFTERMATH.test(line)) continue;
    meaningful = line;
    break;
  }
  const last = meaningful ?? tail.findLast((line) => line.trim() !== '');
  return last === undefined ? undefined : shown(last);
}

/** Without the escape sequences of ECMA-48 (CSI, and OSC up to its end), without the line's end, and bounded. */
function plain(line: string): string {
  return line
    .slice(0, 4 * MAX_LINE)
    .replace(/\u001b\[[0-9:;<=>?]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)?/g, '')
    .trimEnd()
    .slice(0, MAX_LINE);
}

function shown(text: string): string {
  // "Error: " alone says nothing that being shown as an error does not.
  const trimmed = text.trim().replace(/^(?:Uncaught )?Error: (?=\S)/, '');
  return escapeControl(trimmed, MAX_CAUSE - 3);
}
