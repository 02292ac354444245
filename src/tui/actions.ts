import type { Action } from './keymap.ts';
import { copy, extend, inLogs, match, past } from './log-actions.ts';
import { reindexed, scrolled, toTop, withFilter, withoutBottom, withSearch } from './log-view.ts';
import type { UpdateResult } from './message.ts';
import { listRows, groupings, groupingText, selectable } from './rows.ts';
import { onService } from './service-actions.ts';
import type { MainView, State } from './state.ts';
import { doing, noticed, only, show } from './update-result.ts';
import { explaining, select } from './update.ts';
import { documentHeight, mainSize } from './views/document.ts';

const SIDEWAYS = 8;

/** What an action makes of the state, however it was asked for. */
export function perform(state: State, action: Action): UpdateResult<State> {
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
export function confirmed(state: State, action: Action): UpdateResult<State> {
  if (action === 'take-down') return takeDown(state);
  return doing(state, {
    type: 'act',
    request: { action: 'restart', select: { names: [], labels: [] } },
    said: 'restarting everything',
  });
}

/** Leaves; whoever holds the lease brings the project down, each further time with less patience. */
function quit(state: State): UpdateResult<State> {
  const mayStop = state.holdsLease || state.quits > 0;
  if (!mayStop || state.connection === 'lost' || state.snapshot === undefined)
    return doing(state, { type: 'leave' });
  return takeDown(state);
}

function takeDown(state: State): UpdateResult<State> {
  const level = state.quits === 0 ? 0 : state.quits === 1 ? 1 : 2;
  const next = { ...state, quits: Math.min(3, state.quits + 1) };
  return doing(next, { type: 'down', level });
}

function toggled(state: State, view: MainView): MainView {
  return state.view === view ? 'logs' : view;
}

function move(
  state: State,
  action: 'up' | 'down' | 'page-up' | 'page-down' | 'top' | 'bottom',
): UpdateResult<State> {
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

function moveSelection(state: State, by: number): UpdateResult<State> {
  if (state.snapshot === undefined) return only(state);
  const ids = selectable(listRows(state.snapshot, state.grouping));
  const index = state.selected === undefined ? 0 : ids.indexOf(state.selected);
  const id = ids[Math.max(0, Math.min(ids.length - 1, index + by))];
  return id === undefined ? only(state) : select(state, id);
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
