import { lineMatcher } from '../core/util/line-match.ts';
import { checkPattern } from '../core/util/pattern-check.ts';
import { ok, type Result } from '../core/util/result.ts';

/** A pattern that somebody typed, to be found in lines that are clean text. */
export interface Pattern {
  readonly source: string;
  matches(text: string): boolean;
  /** Where it matches, as UTF-16 offsets, in order; a few at most. */
  ranges(text: string): readonly (readonly [number, number])[];
}

const MAX_RANGES = 50;
/** Steps of the matcher that marking the matches of one line may take. */
const STEPS = 200_000;

/**
 * Case matters where the pattern holds a capital letter. The error says why it is refused; no pattern that is accepted
 * can hang the program, whatever the line.
 */
export function parsePattern(source: string): Result<Pattern, string> {
  const folds = !/(?<!\\)\p{Lu}/u.test(source.replaceAll('\\\\', ''));
  const matcher = lineMatcher(source);
  if (!matcher.ok) return matcher;
  const checked = checkPattern(source);
  if (!checked.ok) return checked;
  const { degree, factor } = checked.value.cost;
  const longest = Math.max(1, Math.floor((STEPS / factor) ** (1 / Math.max(1, degree))));
  const regexp = new RegExp(source, folds ? 'giu' : 'gu');
  return ok({
    source,
    matches: (text) => matcher.value.matches(folds ? text.toLowerCase() : text),
    ranges: (text) => {
      const found: [number, number][] = [];
      for (const match of text.slice(0, longest).matchAll(regexp)) {
        if (match[0] !== '') found.push([match.index, match.index + match[0].length]);
        if (found.length >= MAX_RANGES) break;
      }
      return found;
    },
  });
}
