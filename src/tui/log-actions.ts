import { bottomOf, entryText, reindexed, shownLines, toMatch, withoutBottom } from './log-view.ts';
import type { UpdateResult } from './message.ts';
import { selectedOf } from './service-actions.ts';
import { clockTime } from '../words/text.ts';
import { nameOf, newBuffer, shownBuffer, type State } from './state.ts';
import { doing, noticed, only, show } from './update-result.ts';
import { mainSize } from './views/document.ts';

/** More than this is more than terminals take by OSC 52. */
const MAX_COPIED = 70_000;
const OLDER_LINES = 20_000;

/** Goes to the next line that is searched for. */
export function match(state: State, direction: 'older' | 'newer'): State {
  const { search } = state.logs;
  if (search === undefined) return noticed(state, 'info', 'nothing is searched for: / begins a search');
  const found = toMatch(state, direction);
  if (found !== undefined) return { ...found, view: 'logs' };
  const where = search.index.isComplete ? `no ${direction} match` : 'still searching';
  return noticed(state, 'info', `${where} for ${search.pattern.source}`);
}

/** What changes how the log is shown. */
export function inLogs(state: State, action: 'follow' | 'wrap' | 'timestamps' | 'clear' | 'select'): State {
  const { logs } = state;
  const lines = shownLines(state);
  const bottom = bottomOf(lines, logs);
  switch (action) {
    case 'follow':
      if (logs.bottom !== undefined || bottom < 0) return { ...state, logs: withoutBottom(logs) };
      return { ...state, logs: { ...logs, bottom: lines.number(bottom) } };
    case 'wrap':
      return noticed(
        { ...state, logs: { ...logs, wrap: !logs.wrap, left: 0 } },
        'info',
        logs.wrap ? 'lines are cut' : 'lines are wrapped',
      );
    case 'timestamps':
      return { ...state, logs: { ...logs, timestamps: !logs.timestamps } };
    case 'clear':
      shownBuffer(state).clear();
      return noticed(
        reindexed({ ...state, logs: withoutBottom(logs) }),
        'info',
        'cleared; the log files keep everything',
      );
    case 'select': {
      if (logs.selection !== undefined) {
        const { selection: _selection, ...rest } = logs;
        return { ...state, logs: rest };
      }
      if (bottom < 0) return state;
      const number = lines.number(bottom);
      // New lines must not carry the selection away.
      const next: State = {
        ...state,
        view: 'logs',
        focus: 'main',
        logs: { ...logs, bottom: number, selection: { from: number, to: number } },
      };
      return noticed(next, 'info', 'move to select, y copies, esc cancels');
    }
  }
}

/** The selected lines, or the one at the bottom where none are. */
export function copy(state: State): UpdateResult<State> {
  const lines = shownLines(state);
  const bottom = bottomOf(lines, state.logs);
  if (bottom < 0) return only(noticed(state, 'info', 'there is nothing to copy'));
  const { from, to } = state.logs.selection ?? { from: lines.number(bottom), to: lines.number(bottom) };
  const [first, last] = from < to ? [from, to] : [to, from];
  let text = '';
  let copied = 0;
  let left = 0;
  for (let n = lines.below(first); n < lines.count && lines.number(n) <= last; n += 1) {
    const entry = lines.buffer.at(lines.number(n));
    if (entry === undefined) continue;
    const line = entryText(entry);
    if (Buffer.byteLength(text) + Buffer.byteLength(line) > MAX_COPIED) left += 1;
    else {
      text += `${text === '' ? '' : '\n'}${line}`;
      copied += 1;
    }
  }
  const { selection: _selection, ...logs } = state.logs;
  const rest = left === 0 ? '' : `; ${left} more would be too much for a terminal`;
  const said = noticed(
    { ...state, logs },
    'info',
    `copied ${copied} ${copied === 1 ? 'line' : 'lines'}${rest}`,
  );
  return doing(said, { type: 'copy', text });
}

/** Shows lines of before: of the run before this one, or more of the newest than were kept. */
export function past(state: State, action: 'previous-run' | 'older'): UpdateResult<State> {
  const selected = selectedOf(state);
  if (action === 'previous-run' && selected === undefined)
    return only(noticed(state, 'error', 'no service is selected'));
  const one = action === 'previous-run' || !state.logs.all;
  const names = one && selected !== undefined ? [selected.instance.id] : [];
  const what = names[0] === undefined ? 'all services' : nameOf(state, names[0]);
  const title =
    action === 'previous-run'
      ? `${what}, previous run`
      : `${what}, as of ${clockTime(state.now).slice(0, 8)}`;
  const into = newBuffer('history');
  const { selection: _selection, ...logs } = withoutBottom(state.logs);
  const next = reindexed({
    ...show(state, 'logs'),
    logs: { ...logs, all: !one, history: { title, buffer: into, isComplete: false } },
  });
  const previous = action === 'previous-run' ? { previous: true } : {};
  const query = { select: { names, labels: [] }, follow: false, tail: OLDER_LINES, ...previous };
  return doing(next, { type: 'history', into, query, most: OLDER_LINES });
}

/** Moves the end of the selection, and what is shown along with it. */
export function extend(state: State, by: number): State {
  const { selection } = state.logs;
  const lines = shownLines(state);
  if (selection === undefined || lines.count === 0) return state;
  const position = Math.max(0, Math.min(lines.count - 1, lines.below(selection.to) + by));
  const to = lines.number(position);
  const next = { ...state, logs: { ...state.logs, selection: { ...selection, to } } };
  const bottom = bottomOf(lines, state.logs);
  const { height } = mainSize(state);
  if (position > bottom) return { ...next, logs: { ...next.logs, bottom: to } };
  if (position > bottom - height) return next;
  return {
    ...next,
    logs: { ...next.logs, bottom: lines.number(Math.min(lines.count - 1, position + height - 1)) },
  };
}
