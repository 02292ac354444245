import { type CheckedPattern, checkPattern } from './pattern-check.ts';
import { ok, type Result } from './result.ts';

export interface LineMatcher {
  /** Whether the line holds a match. Takes a few ms at most, whatever the line and the pattern. */
  matches(line: string): boolean;
}

/** Steps that a backtracking matcher may need for one line; up to 7 ns each were measured (V8, `u` flag, interpreted). */
const STEPS_PER_LINE = 1_000_000;

/**
 * Compiles a pattern to be looked for in the lines that a service writes. `.*` at either end is left out: it changes
 * nothing about whether there is a match, and multiplies what finding out costs. A line that is too long for a pattern
 * with many wildcards is looked at from where the pattern may begin, as far as can be afforded.
 */
export function lineMatcher(source: string): Result<LineMatcher, string> {
  const given = checkPattern(source);
  if (!given.ok) return given;
  const bare = withoutOuterWildcards(source);
  const checked = bare === source ? given : checkPattern(bare);
  if (!checked.ok) return checked;
  const pattern = checked.value;
  const sure = affordable(pattern, pattern.cost.degree, 1);
  return ok({
    matches: (line) => pattern.regexp.test(line.length <= sure ? line : affordablePart(line, pattern)),
  });
}

/** A dot that is escaped is a dot, and its star belongs to it. */
function withoutOuterWildcards(source: string): string {
  const { escapes = '' } = /(?<escapes>\\*)(?:\.\*\??)+$/.exec(source)?.groups ?? {};
  const bare = escapes.length % 2 === 0 ? source.replace(/(?:\.\*\??)+$/, '') : source;
  return bare.replace(/^(?:\.\*\??)+/, '');
}

/** A pattern that begins with a known text can begin only where that text stands. */
function affordablePart(line: string, pattern: CheckedPattern): string {
  const { prefix, cost } = pattern;
  if (prefix === '') return line.slice(0, affordable(pattern, cost.degree, 1));
  const first = line.indexOf(prefix);
  if (first === -1) return '';
  const starts = line.split(prefix).length - 1;
  return line.slice(first, first + affordable(pattern, cost.degree - 1, starts));
}

/** The longest text, in UTF-16 units, that takes no more than the steps allowed: n^d / d! for n units and d choices. */
function affordable({ cost }: CheckedPattern, degree: number, starts: number): number {
  let steps = STEPS_PER_LINE / (cost.factor * starts);
  for (let i = 2; i <= degree; i += 1) steps *= i;
  return Math.max(1, Math.floor(steps ** (1 / Math.max(1, degree))));
}
