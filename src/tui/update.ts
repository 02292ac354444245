import { serviceChanges } from '../core/reload.ts';
import { describeCounts } from '../words/counts.ts';
import { describeChangeFailure } from '../words/cause.ts';
import type { LogLine, ReloadResponse } from '../core/api.ts';
import type { ProjectEvent } from '../core/event.ts';
import { changeLines } from '../words/counts.ts';
import { perform } from './actions.ts';
import { keyOf } from './keymap.ts';
import { layout, type Rect } from './layout.ts';
import { pushLine, reindexed, scrolled } from './log-view.ts';
import type { TuiEffect, Message, UpdateResult } from './message.ts';
import { promptKey, promptPaste } from './prompt.ts';
import { listRows, selectable } from './rows.ts';
import { beginDown, hearStop, seeDown } from '../words/down.ts';
import { count } from '../words/text.ts';
import { briefEventText } from '../words/events.ts';
import { bufferOf, MAX_HAPPENINGS, withSnapshot, type State, type Usage } from './state.ts';
import { noticed, only } from './update-result.ts';
import { listTop } from './views/services.ts';

/** Samples of a sparkline that are kept. */
const SAMPLES = 32;
const WHEEL_LINES = 3;

/** Decides what a message makes of the state, and what is to be asked of the world because of it. */
export function update(state: State, message: Message): UpdateResult<State> {
  switch (message.type) {
    case 'key':
      return key(state, message.key, message.text);
    case 'paste':
      return only(promptPaste(state, message.text));
    case 'mouse':
      return mouse(state, message);
    case 'resize':
      return only({ ...state, columns: message.columns, rows: message.rows });
    case 'tick':
      return refreshed(ticked(state, message.now));
    case 'snapshot':
      return snapshot(state, message);
    case 'happening':
      return happened(state, message.happening, message.dropped, message.past === true);
    case 'logs':
      for (const line of message.lines) takeLine(state, line);
      return only(state);
    case 'history':
      return only(history(state, message));
    case 'stats':
      return only(withStats(state, message.stats));
    case 'lost':
      return only({ ...state, connection: 'lost' });
    case 'planned':
      return only(planned(state, message));
    case 'reloaded':
      return only(reloaded(state, message.response));
    case 'explained':
      return only({ ...state, explained: { service: message.service, answer: message.answer } });
    case 'timeline':
      return only({ ...state, timeline: message.timeline });
    case 'down':
      return only({ ...state, downResponse: message.response });
    case 'notice':
      return only(noticed(state, message.level, message.text));
  }
}

function key(state: State, name: string, text: string | undefined): UpdateResult<State> {
  if (name.startsWith('alt-') && (state.prompt !== undefined || !state.keymap.has(name))) {
    // To a terminal this is what an Escape and a key in quick succession are, too.
    const escaped = key(state, 'escape', undefined);
    const typed = key(escaped.state, text === ' ' ? 'space' : (text ?? ''), text);
    return { state: typed.state, effects: [...escaped.effects, ...typed.effects] };
  }
  if (state.prompt !== undefined) return promptKey(state, state.prompt, name, text);
  const action = state.keymap.get(name);
  return action === undefined ? only(state) : perform(state, action);
}

function ticked(state: State, now: number): State {
  const { notice, ...rest } = state;
  return notice !== undefined && notice.until > now ? { ...state, now } : { ...rest, now };
}

/** What a view shows of the daemon's answers is asked for again while it is looked at. */
const REFRESH_MS = 2_000;

function refreshed(state: State): UpdateResult<State> {
  if (state.now - state.refreshedAt < REFRESH_MS || state.connection !== 'connected') return only(state);
  const next = { ...state, refreshedAt: state.now };
  if (state.view === 'plan') return { state: next, effects: [{ type: 'plan' }] };
  if (state.view === 'timeline') return { state: next, effects: [{ type: 'timeline' }] };
  return explaining(next);
}

function mouse(state: State, message: Extract<Message, { type: 'mouse' }>): UpdateResult<State> {
  if (state.prompt !== undefined || state.snapshot === undefined) return only(state);
  const rows = listRows(state.snapshot, state.grouping);
  const zoom = state.zoom ? state.focus : undefined;
  const { services, main } = layout({ ...state, listed: rows.length, zoom });
  const inside = (rect: Rect | undefined): rect is Rect =>
    rect !== undefined &&
    message.x >= rect.x &&
    message.x < rect.x + rect.width &&
    message.y >= rect.y &&
    message.y < rect.y + rect.height;
  if (inside(services)) {
    if (message.kind !== 'click') return perform({ ...state, focus: 'services' }, message.kind);
    const row = rows[listTop(rows, state.selected, services.height - 2) + message.y - services.y - 1];
    const focused: State = { ...state, focus: 'services' };
    return row?.kind === 'instance' ? select(focused, row.shown.instance.id) : only(focused);
  }
  if (!inside(main)) return only(state);
  if (message.kind === 'click') return only({ ...state, focus: 'main' });
  const lines = message.kind === 'up' ? -WHEEL_LINES : WHEEL_LINES;
  return only(
    state.view === 'logs'
      ? scrolled(state, lines, main.height - 2)
      : { ...state, top: Math.max(0, state.top + lines) },
  );
}

/** Shows another instance in whatever is shown of one. */
export function select(state: State, instance: string): UpdateResult<State> {
  if (instance === state.selected) return only(state);
  const { history: _history, bottom, selection: _selection, ...logs } = state.logs;
  const stays = state.logs.all && bottom !== undefined ? { bottom } : {};
  const next = reindexed({ ...state, selected: instance, logs: { ...logs, ...stays } });
  return explaining({ ...next, ...(state.view === 'details' ? { top: 0 } : {}) });
}

/** Asks for what the details view shows, where it is shown. */
export function explaining(state: State): UpdateResult<State> {
  const service = serviceOf(state, state.selected);
  const effects: TuiEffect[] =
    state.view === 'details' && service !== undefined ? [{ type: 'explain', service }] : [];
  return { state, effects };
}

function serviceOf(state: State, instance: string | undefined): string | undefined {
  return state.snapshot?.services.find(({ instances }) => instances.some(({ id }) => id === instance))?.id;
}

function snapshot(state: State, message: Extract<Message, { type: 'snapshot' }>): UpdateResult<State> {
  let next = withSnapshot(state, message.snapshot, message.at);
  next = withDown(state, next);
  for (const id of next.buffers.keys()) if (!next.names.has(id)) next.buffers.delete(id);
  const ids = selectable(listRows(message.snapshot, next.grouping));
  if (state.selected !== undefined && ids.includes(state.selected)) return only(next);
  const [first] = ids;
  if (first === undefined) {
    const { selected: _selected, ...rest } = next;
    return only(rest);
  }
  const neighbour = nearestTo(state, ids) ?? first;
  return select(next, neighbour);
}

/** The instance that now stands where the selected one stood. */
function nearestTo(state: State, ids: readonly string[]): string | undefined {
  if (state.selected === undefined || state.snapshot === undefined) return undefined;
  const index = selectable(listRows(state.snapshot, state.grouping)).indexOf(state.selected);
  return ids[Math.min(Math.max(0, index), ids.length - 1)];
}

/** While the project is shut down, remembers what has stopped when, for the view of it. */
function withDown(before: State, state: State): State {
  const { snapshot: now } = state;
  if (now?.phase !== 'shutting-down') {
    if (state.down === undefined || now?.phase !== 'up') return state;
    const { down: _down, ...rest } = state;
    return { ...rest, quits: 0, ...(state.view === 'shutdown' ? { view: 'logs', top: 0 } : {}) };
  }
  const from = before.snapshot ?? now;
  const fresh = state.down === undefined;
  // The first signals were told of before it was known what they were for.
  const memory =
    state.down ??
    sinceShutdown(state.happenings).reduce((known, one) => hearStop(known, one), beginDown(from, now.now));
  const down = seeDown(memory, now, now.now);
  return { ...state, down, ...(fresh ? { view: 'shutdown', top: 0 } : {}) };
}

function sinceShutdown(happenings: readonly ProjectEvent[]): readonly ProjectEvent[] {
  const begin = happenings.findLastIndex(({ type }) => type === 'shutdown-began');
  return begin === -1 ? [] : happenings.slice(begin);
}

function happened(
  state: State,
  happening: ProjectEvent,
  dropped: number,
  past: boolean,
): UpdateResult<State> {
  const last = state.happenings.at(-1);
  if (last !== undefined && happening.seq <= last.seq) return only(state);
  const all = [...state.happenings, happening];
  const over = Math.max(0, all.length - MAX_HAPPENINGS);
  const down = state.down === undefined ? {} : { down: hearStop(state.down, happening) };
  const next: State = {
    ...state,
    ...down,
    happenings: all.slice(over),
    missed: state.missed + over + dropped,
  };
  if (past) return only(next);
  if (happening.instance !== undefined) {
    const { time, instance } = happening;
    pushLine([next.merged, bufferOf(next, instance)], {
      time,
      instance,
      stream: 'notice',
      text: briefEventText(happening),
    });
  }
  const effects: TuiEffect[] = [];
  if (PLAN_CHANGES.has(happening.type)) effects.push({ type: 'plan' });
  if (happening.service !== undefined && happening.service === serviceOf(next, next.selected))
    effects.push(...explaining(next).effects);
  return { state: aboutTheManifest(next, happening), effects };
}

const PLAN_CHANGES: ReadonlySet<ProjectEvent['type']> = new Set([
  'manifest-applied',
  'manifest-rejected',
  'manifest-reloaded',
  'manifest-held',
  'change-failed',
]);

/** What has come of an edit is said, whoever made it. */
function aboutTheManifest(state: State, happening: ProjectEvent): State {
  const { type } = happening;
  if (type === 'manifest-reloaded') {
    const changes = changeLines(happening);
    return noticed(
      state,
      'info',
      `manifest reloaded: ${changes.length === 0 ? describeCounts(happening.counts) : changes.join('; ')}`,
    );
  }
  if (type === 'manifest-held') {
    const keys = `${keyOf(state, 'plan')} shows, ${keyOf(state, 'apply')} carries out`;
    return noticed(state, 'info', `held for review (${keys}): ${changeLines(happening).join('; ')}`);
  }
  if (type === 'manifest-rejected') {
    const errors = `${count(happening.errors, 'error')}, nothing was changed`;
    return noticed(state, 'error', `${errors} (${keyOf(state, 'diagnostics')} shows): ${happening.first}`);
  }
  if (type === 'change-failed') {
    const refused = happening.kept === true ? 'was not taken up' : 'failed';
    const what = happening.rolledBack ? 'was rolled back' : refused;
    return noticed(
      state,
      'error',
      `${happening.service ?? ''}: the change ${what}: ${describeChangeFailure(happening.reason)}`,
    );
  }
  return state;
}

function takeLine(state: State, line: LogLine): void {
  const key = `${line.instance} ${line.stream}`;
  const continued = state.unfinished.has(key);
  if (line.partial === true) state.unfinished.add(key);
  else state.unfinished.delete(key);
  pushLine([state.merged, bufferOf(state, line.instance)], { ...line, continued });
}

function history(state: State, message: Extract<Message, { type: 'history' }>): State {
  const { logs } = state;
  if (logs.history?.buffer !== message.into) return state;
  for (const line of message.lines) pushLine([message.into], line);
  if (!message.done) return state;
  const next: State = { ...state, logs: { ...logs, history: { ...logs.history, isComplete: true } } };
  return message.into.length === 0
    ? noticed(next, 'info', `${logs.history.title}: nothing was written`)
    : next;
}

function withStats(state: State, stats: NonNullable<State['stats']>): State {
  const usage = new Map<string, Usage>();
  for (const one of stats.instances) {
    const before = state.usage.get(one.instance) ?? { cpu: [], memory: [] };
    const cpu = one.cpuPercent === undefined ? before.cpu : [...before.cpu, one.cpuPercent].slice(-SAMPLES);
    usage.set(one.instance, { cpu, memory: [...before.memory, one.memoryBytes].slice(-SAMPLES) });
  }
  return { ...state, stats, usage };
}

function reloaded(state: State, response: ReloadResponse): State {
  const { diagnostics, plan } = response;
  const next: State = { ...state, plan: { diagnostics, ...(plan === undefined ? {} : { plan }) } };
  switch (response.outcome) {
    case 'invalid':
      return noticed({ ...next, view: 'diagnostics', top: 0 }, 'error', 'not reloaded');
    case 'held':
      return noticed(
        { ...next, view: 'plan', top: 0 },
        'info',
        `held: ${keyOf(state, 'apply')} carries it out`,
      );
    case 'unchanged':
      return noticed(next, 'info', 'nothing to do: all is as the manifest says');
    case 'applied': {
      const { plan: _plan, ...rest } = next;
      return noticed(
        rest,
        'info',
        plan === undefined ? 'applied' : changeLines(serviceChanges(plan)).join('; '),
      );
    }
  }
}

function planned(state: State, { response, applied }: Extract<Message, { type: 'planned' }>): State {
  const errors = response.diagnostics.filter(({ severity }) => severity === 'error').length;
  if (!applied) return { ...state, plan: response };
  if (errors > 0)
    return noticed({ ...state, plan: response, view: 'diagnostics', top: 0 }, 'error', 'not applied');
  const done = response.plan?.drift === true ? 'applied' : 'nothing to apply: all is as the manifest says';
  // What was planned is done now, so it is not pending any more; the next plan comes with the event of it.
  const { plan: _plan, ...rest } = state;
  return noticed(rest, 'info', done);
}
