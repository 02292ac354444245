import { confirmed, perform } from './actions.ts';
import { ACTION_NAMES, ACTIONS, type Action } from './keymap.ts';
import { reindexed, toMatch, toMoment, withFilter, withoutBottom, withSearch } from './log-view.ts';
import type { UpdateResult } from './message.ts';
import { parsePattern } from './pattern.ts';
import { scaled, selectedOf, signalled } from './service-actions.ts';
import { clockTime } from '../words/text.ts';
import { daemonNow, newBuffer, type Prompt, type State } from './state.ts';
import { only, show } from './update-result.ts';
import { foreignText } from './text.ts';
import { parseMoment } from './time-of-day.ts';
import { mainSize } from './views/document.ts';

const LONGEST_INPUT = 1_000;
/** Lines that are loaded from a moment on. */
const FROM_MOMENT = 20_000;
const MOST_INSTANCES = 1_000;

function closed(state: State): State {
  const { prompt: _prompt, ...rest } = state;
  return rest;
}

/** What a key does to a line that is being typed. */
export function promptKey(
  state: State,
  prompt: Prompt,
  key: string,
  text: string | undefined,
): UpdateResult<State> {
  if (key === 'escape' || key === 'ctrl-c') return only(closed(state));
  if (prompt.kind === 'confirm') {
    const yes = key === 'y' || key === 'Y' || key === 'enter';
    return yes ? confirmed(closed(state), prompt.action) : only(closed(state));
  }
  if (key === 'enter') return submitted(closed(state), prompt);
  if (prompt.kind === 'palette' && ['up', 'down', 'tab', 'shift-tab', 'ctrl-n', 'ctrl-p'].includes(key)) {
    const count = paletteActions(prompt.text).length;
    const step = key === 'up' || key === 'shift-tab' || key === 'ctrl-p' ? -1 : 1;
    return only({
      ...state,
      prompt: { ...prompt, chosen: count === 0 ? 0 : (prompt.chosen + step + count) % count },
    });
  }
  if (key === 'backspace') {
    if (prompt.text === '' && prompt.kind !== 'input') return only(closed(state));
    return only(typed(state, prompt, Array.from(prompt.text).slice(0, -1).join('')));
  }
  if (key === 'ctrl-u') return only(typed(state, prompt, ''));
  if (key === 'ctrl-w') return only(typed(state, prompt, prompt.text.replace(/\S*\s*$/, '')));
  return text === undefined ? only(state) : only(typed(state, prompt, prompt.text + text));
}

export function promptPaste(state: State, text: string): State {
  const { prompt } = state;
  if (prompt === undefined || prompt.kind === 'confirm') return state;
  return typed(state, prompt, prompt.text + foreignText(text.split(/[\r\n]/)[0] ?? ''));
}

/** A search and a filter say at once what is wrong with them. */
function typed(state: State, prompt: Exclude<Prompt, { kind: 'confirm' }>, text: string): State {
  const kept = text.slice(0, LONGEST_INPUT);
  if (prompt.kind === 'palette') return { ...state, prompt: { kind: 'palette', text: kept, chosen: 0 } };
  const problem = prompt.kind === 'search' || prompt.kind === 'filter' ? problemOf(kept) : undefined;
  return {
    ...state,
    prompt: { kind: prompt.kind, text: kept, ...(problem === undefined ? {} : { problem }) },
  };
}

function problemOf(source: string): string | undefined {
  if (source === '') return undefined;
  const pattern = parsePattern(source);
  return pattern.ok ? undefined : pattern.error;
}

function again(state: State, prompt: Prompt, problem: string): UpdateResult<State> {
  return prompt.kind === 'palette' || prompt.kind === 'confirm'
    ? only(state)
    : only({ ...state, prompt: { ...prompt, problem } });
}

function submitted(state: State, prompt: Exclude<Prompt, { kind: 'confirm' }>): UpdateResult<State> {
  const { text } = prompt;
  switch (prompt.kind) {
    case 'search':
    case 'filter': {
      const inLogs: State = { ...state, view: 'logs' };
      if (text === '') return only((prompt.kind === 'search' ? withSearch : withFilter)(inLogs, undefined));
      const pattern = parsePattern(text);
      if (!pattern.ok) return again(state, prompt, pattern.error);
      if (prompt.kind === 'filter') return only(withFilter(inLogs, pattern.value));
      const next = withSearch(inLogs, pattern.value);
      // Whatever the buffer holds can be looked through in no time; a pattern that is slow goes on in the background.
      let looked = 0;
      next.logs.search?.index.advance(() => (looked += 1) > SEARCHED_AT_ONCE);
      return only(toMatch(next, 'older') ?? toMatch(next, 'newer') ?? next);
    }
    case 'scale': {
      const replicas = Number(text);
      const valid = /^\d+$/.test(text) && replicas <= MOST_INSTANCES;
      return valid ? scaled(state, replicas) : again(state, prompt, `a number from 0 to ${MOST_INSTANCES}`);
    }
    case 'signal': {
      const name = text.trim().toUpperCase();
      if (!/^[A-Z][A-Z0-9+-]*$/.test(name)) return again(state, prompt, 'a name such as HUP or SIGUSR1');
      return signalled(state, name.startsWith('SIG') ? name : `SIG${name}`);
    }
    case 'time':
      return jump(state, { ...prompt, kind: 'time' });
    case 'input': {
      // The line stays open for the next one.
      const instance = selectedOf(state)?.instance.id;
      if (instance === undefined) return only(state);
      const next: State = { ...state, prompt: { kind: 'input', text: '' } };
      return { state: next, effects: [{ type: 'input', instance, text: `${text}\n` }] };
    }
    case 'palette': {
      const action = paletteActions(text)[prompt.chosen];
      return action === undefined ? only(state) : perform(state, action);
    }
  }
}

/** Portions of lines (16 each) that a new search looks through before the next frame. */
const SEARCHED_AT_ONCE = 128;

function jump(state: State, prompt: { readonly kind: 'time'; readonly text: string }): UpdateResult<State> {
  const at = parseMoment(prompt.text, daemonNow(state));
  if (!at.ok) return again(state, prompt, at.error);
  const { height } = mainSize(state);
  const there = toMoment(state, at.value, height);
  if (there !== undefined) return only({ ...there, view: 'logs', focus: 'main' });
  // It is older than what is kept here, so the files are asked.
  const into = newBuffer('history');
  const names = state.logs.all || state.selected === undefined ? [] : [state.selected];
  const title = `from ${clockTime(at.value).slice(0, 8)} on`;
  const { selection: _selection, ...logs } = withoutBottom(state.logs);
  const next = reindexed({
    ...show(state, 'logs'),
    logs: { ...logs, bottom: height - 1, history: { title, buffer: into, isComplete: false } },
  });
  const query = { select: { names, labels: [] }, follow: false, since: at.value };
  return { state: next, effects: [{ type: 'history', into, query, most: FROM_MOMENT }] };
}

/** The actions whose name or title holds all the words typed. */
export function paletteActions(text: string): readonly Action[] {
  const words = text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  return ACTION_NAMES.filter((action) => {
    const said = `${action} ${ACTIONS[action].title}`.toLowerCase();
    return action !== 'palette' && words.every((word) => said.includes(word));
  });
}
