import type { TuiEffect, UpdateResult } from './message.ts';
import type { MainView, State } from './state.ts';

/** A step that asks for nothing. */
export function only(state: State): UpdateResult<State> {
  return { state, effects: [] };
}

/** A step that asks the world for something. */
export function doing(state: State, ...effects: readonly TuiEffect[]): UpdateResult<State> {
  return { state, effects };
}

/** Says something on the last row. */
export function noticed(state: State, level: 'info' | 'error', text: string): State {
  return { ...state, notice: { level, text, until: state.now + (level === 'error' ? 8_000 : 3_000) } };
}

/** Brings a view to the front, from its beginning. */
export function show(state: State, view: MainView): State {
  return { ...state, view, top: 0, focus: 'main', logs: { ...state.logs, left: 0 } };
}
