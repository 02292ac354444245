import type { InstanceSnapshot } from '../core/event.ts';
import type { ServiceSnapshot } from '../core/api.ts';
import type { Action } from './keymap.ts';
import {
  bottomOf,
  entryText,
  reindexed,
  scrolled,
  shownLines,
  toMatch,
  toTop,
  withFilter,
  withoutBottom,
  withSearch,
} from './log-view.ts';
import type { Effect, Step } from './message.ts';
import { listRows, groupings, groupingText, selectable } from './rows.ts';
import { clockTime } from './shared.ts';
import { nameOf, newBuffer, shownBuffer, type MainView, type State } from './state.ts';
import { explaining, noticed, select } from './update.ts';
import { documentHeight, mainSize } from './views/document.ts';

/** More than this is more than terminals take by OSC 52. */
const MAX_COPIED = 70_000;
const OLDER_LINES = 20_000;
const SIDEWAYS = 8;

function only(state: State): Step<State> {
  return { state, effects: [] };
}

function doing(state: State, ...effects: readonly Effect[]): Step<State> {
  return { state, effects };
}

/** What an action makes of the state, however it was asked for. */
export function perform(state: State, action: Action): Step<State> {
  switch (action) {
    case 'up':
    case 'down':
    case 'page-up':
    case 'page-down':
    case 'top':
    case 'bottom':
      return move(state, action);
    case 'left':
    case 'right': {
      const left = Math.max(0, state.logs.left + (action === 'left' ? -SIDEWAYS : SIDEWAYS));
      return only({ ...state, logs: { ...state.logs, left } });
    }
    case 'focus':
      return only({ ...state, focus: state.focus === 'services' ? 'main' : 'services' });
    case 'open':
      return only(reindexed({ ...show(state, 'logs'), logs: { ...withoutBottom(state.logs), all: false } }));
    case 'back':
      return only(back(state));
    case 'zoom':
      return only({ ...state, zoom: !state.zoom });
    case 'start':
    case 'stop':
    case 'restart':
    case 'kill':
    case 'scale-up':
    case 'scale-down':
    case 'attach':
      return onService(state, action);
    case 'restart-all':
    case 'take-down':
      return only({ ...state, prompt: { kind: 'confirm', question: QUESTIONS[action], action } });
    case 'scale':
    case 'signal':
    case 'filter':
    case 'search':
      return only({ ...state, prompt: { kind: action, text: '' } });
    case 'jump-time':
      return only({ ...state, prompt: { kind: 'time', text: '' } });
    case 'palette':
      return only({ ...state, prompt: { kind: 'palette', text: '', chosen: 0 } });
    case 'group':
      return only(regrouped(state));
    case 'all-logs': {
      const { history: _history, selection: _selection, ...logs } = withoutBottom(state.logs);
      return only(reindexed({ ...state, view: 'logs', logs: { ...logs, all: !logs.all } }));
    }
    case 'next-match':
    case 'previous-match':
      return only(match(state, action === 'next-match' ? 'newer' : 'older'));
    case 'follow':
    case 'wrap':
    case 'timestamps':
    case 'clear':
    case 'select':
      return only(inLogs(state, action));
    case 'copy':
      return copy(state);
    case 'previous-run':
    case 'older':
      return past(state, action);
    case 'details':
      return explaining({
        ...show(state, toggled(state, 'details')),
        focus: state.zoom ? 'main' : state.focus,
      });
    case 'plan':
      return doing(show(state, toggled(state, 'plan')), { type: 'plan' });
    case 'timeline':
      return doing(show(state, toggled(state, 'timeline')), { type: 'timeline' });
    case 'events':
    case 'graph':
    case 'diagnostics':
    case 'help':
      return only(show(state, toggled(state, action)));
    case 'apply':
      return doing(
        noticed(state, 'info', 'applying the manifest'),
        state.snapshot?.manifest?.state === 'pending' ? { type: 'reload', confirm: true } : { type: 'apply' },
      );
    case 'reload':
      return doing(noticed(state, 'info', 'reloading the manifest'), { type: 'reload', confirm: false });
    case 'review':
      return doing(state, { type: 'review', hold: state.snapshot?.manifest?.review !== true });
    case 'edit':
      return doing(state, { type: 'edit' });
    case 'mouse':
      return doing(
        noticed({ ...state, mouse: !state.mouse }, 'info', state.mouse ? 'mouse off' : 'mouse on'),
        {
          type: 'mouse',
          on: !state.mouse,
        },
      );
    case 'redraw':
      return doing(state, { type: 'redraw' });
    case 'suspend':
      return doing(state, { type: 'suspend' });
    case 'detach':
      return doing(state, { type: 'leave' });
    case 'quit':
      return quit(state);
  }
}

const QUESTIONS = { 'restart-all': 'Restart everything?', 'take-down': 'Stop the whole project?' } as const;

/** After the question was answered with yes. */
export function confirmed(state: State, action: Action): Step<State> {
  if (action === 'take-down') return takeDown(state);
  return doing(state, {
    type: 'act',
    request: { action: 'restart', select: { names: [], labels: [] } },
    said: 'restarting everything',
  });
}

/** Leaves; whoever holds the lease brings the project down, each further time with less patience. */
function quit(state: State): Step<State> {
  const mayStop = state.holdsLease || state.quits > 0;
  if (!mayStop || state.connection === 'lost' || state.snapshot === undefined)
    return doing(state, { type: 'leave' });
  return takeDown(state);
}

function takeDown(state: State): Step<State> {
  const level = state.quits === 0 ? 0 : state.quits === 1 ? 1 : 2;
  const next = { ...state, quits: Math.min(3, state.quits + 1) };
  return doing(next, { type: 'down', level });
}

function toggled(state: State, view: MainView): MainView {
  return state.view === view ? 'logs' : view;
}

export function show(state: State, view: MainView): State {
  return { ...state, view, top: 0, focus: 'main', logs: { ...state.logs, left: 0 } };
}

function move(state: State, action: 'up' | 'down' | 'page-up' | 'page-down' | 'top' | 'bottom'): Step<State> {
  const { height } = mainSize(state);
  const page = Math.max(1, height - 1);
  const by = { up: -1, down: 1, 'page-up': -page, 'page-down': page, top: -Infinity, bottom: Infinity }[
    action
  ];
  const isPage = action === 'page-up' || action === 'page-down';
  if (state.focus === 'services' && (!isPage || (state.zoom && state.snapshot !== undefined)))
    return moveSelection(state, by);
  if (state.view !== 'logs') {
    const most = Math.max(0, documentHeight(state) - height);
    return only({ ...state, top: Math.max(0, Math.min(most, Math.min(most, state.top) + by)) });
  }
  if (state.logs.selection !== undefined && (action === 'up' || action === 'down'))
    return only(extend(state, by));
  if (action === 'top') return only(toTop(state, height));
  if (action === 'bottom') return only({ ...state, logs: withoutBottom(state.logs) });
  return only(scrolled(state, by, height));
}

function moveSelection(state: State, by: number): Step<State> {
  if (state.snapshot === undefined) return only(state);
  const ids = selectable(listRows(state.snapshot, state.grouping));
  const index = state.selected === undefined ? 0 : ids.indexOf(state.selected);
  const id = ids[Math.max(0, Math.min(ids.length - 1, index + by))];
  return id === undefined ? only(state) : select(state, id);
}

function extend(state: State, by: number): State {
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

/** Undoes what was done last to what is shown, one thing at a time. */
function back(state: State): State {
  const { logs } = state;
  if (state.view !== 'logs') return { ...state, view: 'logs', top: 0, focus: 'services' };
  if (logs.selection !== undefined) {
    const { selection: _selection, ...rest } = logs;
    return { ...state, logs: rest };
  }
  if (logs.history !== undefined) {
    const { history: _history, ...rest } = withoutBottom(logs);
    return reindexed({ ...state, logs: rest });
  }
  if (logs.search !== undefined) return withSearch(state, undefined);
  if (logs.filter !== undefined) return withFilter(state, undefined);
  if (logs.bottom !== undefined) return { ...state, logs: withoutBottom(logs) };
  if (state.zoom) return { ...state, zoom: false };
  return { ...state, focus: 'services' };
}

function regrouped(state: State): State {
  if (state.snapshot === undefined) return state;
  const all = groupings(state.snapshot);
  const present = JSON.stringify(state.grouping);
  const index = all.findIndex((one) => JSON.stringify(one) === present);
  const grouping = all[(index + 1) % all.length] ?? { kind: 'manifest' };
  const text = groupingText(grouping);
  return noticed({ ...state, grouping }, 'info', text === '' ? 'in the order of the manifest' : text);
}

interface Selected {
  readonly service: ServiceSnapshot;
  readonly instance: InstanceSnapshot;
}

export function selectedOf(state: State): Selected | undefined {
  for (const service of state.snapshot?.services ?? [])
    for (const instance of service.instances)
      if (instance.id === state.selected) return { service, instance };
  return undefined;
}

type ServiceAction = 'start' | 'stop' | 'restart' | 'kill' | 'scale-up' | 'scale-down' | 'attach';

function onService(state: State, action: ServiceAction): Step<State> {
  const selected = selectedOf(state);
  if (selected === undefined) return only(noticed(state, 'error', 'no service is selected'));
  const { service, instance } = selected;
  const name = nameOf(state, instance.id);
  const chosen = { names: [instance.id], labels: [] };
  switch (action) {
    case 'start':
      return doing(state, {
        type: 'act',
        request: { action, select: chosen, withDependencies: true },
        said: `${name}: starting`,
      });
    case 'stop':
      return doing(state, { type: 'act', request: { action, select: chosen }, said: `${name}: stopping` });
    case 'restart':
      return doing(state, { type: 'act', request: { action, select: chosen }, said: `${name}: restarting` });
    case 'kill':
      return signalled(state, 'SIGKILL');
    case 'scale-up':
      return scaled(state, service.replicas + 1);
    case 'scale-down':
      return scaled(state, Math.max(0, service.replicas - 1));
    case 'attach':
      if (service.input === undefined)
        return only(
          noticed(state, 'error', `${name} has nothing to type into: give it tty: true or stdin: pipe`),
        );
      if (instance.state.kind !== 'running') return only(noticed(state, 'error', `${name} does not run`));
      if (service.input === 'pipe') return only({ ...state, prompt: { kind: 'input', text: '' } });
      return doing(state, { type: 'attach', instance: instance.id });
  }
}

export function signalled(state: State, signal: string): Step<State> {
  const selected = selectedOf(state);
  if (selected === undefined) return only(noticed(state, 'error', 'no service is selected'));
  const { id } = selected.instance;
  const request = { action: 'kill', select: { names: [id], labels: [] }, signal } as const;
  return doing(state, { type: 'act', request, said: `${nameOf(state, id)}: sent ${signal}` });
}

export function scaled(state: State, replicas: number): Step<State> {
  const selected = selectedOf(state);
  if (selected === undefined) return only(noticed(state, 'error', 'no service is selected'));
  const { id, replicas: from } = selected.service;
  const request = { action: 'scale', service: id, replicas } as const;
  return doing(state, { type: 'act', request, said: `${id}: ${from} -> ${replicas}` });
}

function match(state: State, direction: 'older' | 'newer'): State {
  const { search } = state.logs;
  if (search === undefined) return noticed(state, 'info', 'nothing is searched for: / begins a search');
  const found = toMatch(state, direction);
  if (found !== undefined) return { ...found, view: 'logs' };
  const where = search.index.isComplete ? `no ${direction} match` : 'still searching';
  return noticed(state, 'info', `${where} for ${search.pattern.source}`);
}

function inLogs(state: State, action: 'follow' | 'wrap' | 'timestamps' | 'clear' | 'select'): State {
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
function copy(state: State): Step<State> {
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
function past(state: State, action: 'previous-run' | 'older'): Step<State> {
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
