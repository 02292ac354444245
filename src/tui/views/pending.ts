import type { State } from '../state.ts';
import { span, type ScreenRow } from '../text.ts';

/** Stands where an answer of the daemon will. */
export function pending(state: State, what: string): readonly ScreenRow[] {
  const lost = state.connection === 'lost';
  return [
    [span(lost ? 'the daemon cannot be asked at the moment' : `asking for ${what} \u2026`, state.theme.dim)],
  ];
}
