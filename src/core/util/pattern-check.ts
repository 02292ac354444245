import { messageOf } from './system-error.ts';
import { err, ok, type Result } from './result.ts';

/** How long a match may take at worst. */
export interface PatternCost {
  /**
   * Wildcards that may have to share the text out among them, one more where the match may begin anywhere, and one more
   * where there are wildcards that can end in one place only.
   */
  readonly degree: number;
  /** Ways that do not grow with the text. */
  readonly factor: number;
}

export interface CheckedPattern {
  readonly regexp: RegExp;
  readonly cost: PatternCost;
  /** Every match begins with this text; empty where nothing is known of its beginning. */
  readonly prefix: string;
}

const MAX_SOURCE = 1_000;
const MAX_WILDCARDS = 6;
/** Repetitions beyond this are as bad as unbounded ones. */
const MAX_COUNTED = 20;
const MAX_REPEAT = 1_000;
const MAX_FACTOR = 10_000;

const NESTED =
  'a repeated group that holds another repetition or an alternative can take for ever; repeat single characters or classes instead';

/** What is known of a part of a pattern. */
interface Part {
  /** In how many ways it can match the same text, unbounded repetitions left out. */
  ways: number;
  wildcards: number;
  /** Those of the wildcards that can end in several places. */
  ambiguous: number;
  alternatives: number;
}

/**
 * Compiles a pattern with the `u` flag and judges by its structure how long it may take. Refused: what does not
 * compile, back-references, repeated groups that are themselves ambiguous, and more than 6 wildcards.
 */
export function checkPattern(source: string): Result<CheckedPattern, string> {
  if (source.length > MAX_SOURCE) return err(`a pattern has at most ${MAX_SOURCE} characters`);
  let regexp: RegExp;
  try {
    regexp = new RegExp(source, 'u');
  } catch (cause) {
    return err(messageOf(cause));
  }
  const part = judge(source);
  if (!part.ok) return part;
  const { wildcards, ways, ambiguous, alternatives } = part.value;
  if (wildcards > MAX_WILDCARDS)
    return err(`a pattern has at most ${MAX_WILDCARDS} wildcards such as \`.*\``);
  if (ways > MAX_FACTOR) return err(NESTED);
  const anywhere = source.startsWith('^') && alternatives === 1 ? 0 : 1;
  const degree = ambiguous + (wildcards > ambiguous ? 1 : 0) + anywhere;
  return ok({
    regexp,
    cost: { degree, factor: ways * alternatives },
    prefix: anywhere === 1 && alternatives === 1 ? literalPrefix(source) : '',
  });
}

function literalPrefix(source: string): string {
  return /^[^\\^$.*+?()[\]{}|]*(?![*+?{])/u.exec(source)?.[0] ?? '';
}

/**
 * An atom or punctuation of a pattern that is known to compile. Classes do not nest without the `v` flag.
 * Sticky, so it is applied where the last one ended.
 */
const TOKEN =
  /(?<open>\((?:\?(?:[:=!]|<[=!]|<[^>]*>))?)|(?<close>\))|(?<bar>\|)|(?<backref>\\(?:[1-9]|k<))|(?<atom>\[(?:[^\]\\]|\\.)*\]|\\(?:[pPu]\{[^}]*\}|.)|[^\\])/suy;
const QUANTIFIER = /(?:(?<sign>[*+?])|\{(?<least>\d+)(?:(?<comma>,)(?<most>\d*))?\})\??/uy;

function judge(source: string): Result<Part, string> {
  const stack: Part[] = [];
  let current = newPart();
  for (let at = 0; at < source.length;) {
    TOKEN.lastIndex = at;
    const token = TOKEN.exec(source);
    if (token === null) return err('the pattern could not be read');
    at = TOKEN.lastIndex;
    const { open, close, bar, backref } = token.groups ?? {};
    if (backref !== undefined) return err('back-references can take for ever and are not supported');
    if (open !== undefined) {
      stack.push(current);
      current = newPart();
      continue;
    }
    if (bar !== undefined) {
      current.alternatives += 1;
      continue;
    }
    let inner: Part | undefined;
    if (close !== undefined) {
      inner = current;
      current = stack.pop() ?? newPart();
    }
    QUANTIFIER.lastIndex = at;
    const quantifier = QUANTIFIER.exec(source);
    if (quantifier !== null) at = QUANTIFIER.lastIndex;
    const problem = add(current, inner, quantifier?.groups, () => endsInOnePlace(token[0], source, at));
    if (problem !== undefined) return err(problem);
  }
  return ok(current);
}

function newPart(): Part {
  return { ways: 1, wildcards: 0, ambiguous: 0, alternatives: 1 };
}

/** Adds a quantified atom (`inner` undefined) or group to what surrounds it; says why it cannot be accepted. */
function add(
  to: Part,
  inner: Part | undefined,
  quantifier: Record<string, string | undefined> | undefined,
  isClear: () => boolean,
): string | undefined {
  const { least, most } = bounds(quantifier);
  if (least > MAX_REPEAT || (most !== Infinity && most > MAX_REPEAT))
    return `a repetition goes up to ${MAX_REPEAT} at most`;
  const wild = most - least > MAX_COUNTED;
  if (inner === undefined) {
    if (wild) to.wildcards += 1;
    if (wild && !isClear()) to.ambiguous += 1;
    if (!wild) to.ways *= most - least + 1;
    return undefined;
  }
  const innerWays = inner.ways * inner.alternatives;
  if (most > 1 && (inner.wildcards > 0 || (wild && innerWays > 1))) return NESTED;
  to.wildcards += inner.wildcards + (wild ? 1 : 0);
  to.ambiguous += inner.ambiguous + (wild ? 1 : 0);
  to.ways *= wild ? 1 : innerWays ** Math.max(1, most) * (most - least + 1);
  return to.ways > MAX_FACTOR ? NESTED : undefined;
}

/**
 * Whether a repeated atom can be followed only by what it does not match itself, or by nothing at all: then there is one
 * place where it can end. `at` is behind its quantifier.
 */
function endsInOnePlace(atom: string, source: string, at: number): boolean {
  const next = /(?:\)(?![*+?{]))*/y;
  next.lastIndex = at;
  next.exec(source);
  if (next.lastIndex >= source.length) return true;
  TOKEN.lastIndex = next.lastIndex;
  const following = TOKEN.exec(source)?.groups?.['atom'];
  if (following === undefined) return false;
  if (following === '$') return TOKEN.lastIndex === source.length;
  QUANTIFIER.lastIndex = TOKEN.lastIndex;
  const quantifier = QUANTIFIER.exec(source)?.groups;
  if (bounds(quantifier).least === 0 || ZERO_WIDTH.test(following) || /[pP]\{/.test(atom + following))
    return false;
  const [mine, theirs] = [new RegExp(`^(?:${atom})$`, 'u'), new RegExp(`^(?:${following})$`, 'u')];
  return [...PROBES, ...Array.from(atom + following)].every((unit) => !mine.test(unit) || !theirs.test(unit));
}

const ZERO_WIDTH = /^(?:\^|\\[bB])$/;

/** A character of every kind that classes other than `\p` tell apart; what an atom names is added to them. */
const PROBES: readonly string[] = [
  ...Array.from({ length: 256 }, (_, unit) => String.fromCodePoint(unit)),
  '\u2028',
  '\u2003',
  '\ufeff',
  '\u6f22',
  '\u{1f600}',
];

function bounds(groups: Record<string, string | undefined> | undefined): { least: number; most: number } {
  if (groups === undefined) return { least: 1, most: 1 };
  const { sign, least = '1', comma, most = '' } = groups;
  if (sign === '?') return { least: 0, most: 1 };
  if (sign !== undefined) return { least: sign === '+' ? 1 : 0, most: Infinity };
  if (comma === undefined) return { least: Number(least), most: Number(least) };
  return { least: Number(least), most: most === '' ? Infinity : Number(most) };
}
