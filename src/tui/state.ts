import type {
  DownResponse,
  ExplainResponse,
  PlanResponse,
  ProjectSnapshot,
  StatsResponse,
  TimelineResponse,
} from '../core/api.ts';
import type { ProjectEvent } from '../core/event.ts';
import type { InstanceId, ServiceId } from '../core/service.ts';
import { DEFAULT_KEYMAP, type Action, type Keymap } from './keymap.ts';
import { LogBuffer, type MatchIndex } from './log-buffer.ts';
import type { Pattern } from './pattern.ts';
import { displayNames } from '../words/instances.ts';
import type { DownMemory } from '../words/down.ts';
import { themeOf, type Theme } from './theme.ts';

/** How the list of services is ordered. */
export type Grouping =
  | { readonly kind: 'manifest' }
  | { readonly kind: 'state' }
  | { readonly kind: 'label'; readonly key: string }
  | { readonly kind: 'tree' };

export type MainView =
  'logs' | 'details' | 'plan' | 'events' | 'graph' | 'timeline' | 'diagnostics' | 'help' | 'shutdown';

/** Lines that do not grow: an earlier run, an earlier time. */
export interface PastLines {
  readonly title: string;
  readonly buffer: LogBuffer;
  readonly isComplete: boolean;
}

export interface LogView {
  /** Whether the lines of all services are shown, in the order of their arrival. */
  readonly all: boolean;
  readonly history?: PastLines;
  /** Number of the line at the bottom; absent: the newest one, for ever. */
  readonly bottom?: number;
  /** Columns that lines are moved to the left by. */
  readonly left: number;
  readonly wrap: boolean;
  readonly timestamps: boolean;
  readonly filter?: { readonly pattern: Pattern; readonly index: MatchIndex };
  readonly search?: { readonly pattern: Pattern; readonly index: MatchIndex; readonly at?: number };
  /** Numbers of the lines where a selection began and where it has got to. */
  readonly selection?: { readonly from: number; readonly to: number };
}

/** What a line that is typed is for. `input`: the service that is selected reads it. */
export type LineKind = 'search' | 'filter' | 'scale' | 'signal' | 'time' | 'input';

export type Prompt =
  | { readonly kind: LineKind; readonly text: string; readonly problem?: string }
  | { readonly kind: 'palette'; readonly text: string; readonly chosen: number }
  | { readonly kind: 'confirm'; readonly question: string; readonly action: Action };

export interface Notice {
  readonly level: 'info' | 'error';
  readonly text: string;
  /** Our clock, epoch ms. */
  readonly until: number;
}

/** CPU in percent and memory in bytes, oldest first. */
export interface Usage {
  readonly cpu: readonly number[];
  readonly memory: readonly number[];
}

/**
 * Everything the screen shows. Values are replaced, never changed, apart from the buffers of lines, which grow in place
 * because copying them for each line would cost more than all the rest.
 */
export interface State {
  readonly columns: number;
  readonly rows: number;
  /** Our clock, epoch ms, as of the last tick. */
  readonly now: number;
  /** How far the daemon's clock is ahead of ours, ms. */
  readonly ahead: number;
  readonly theme: Theme;
  readonly keymap: Keymap;
  /** Folder that files of diagnostics are named relative to. */
  readonly cwd: string;
  /** Whether leaving brings the project down. */
  readonly holdsLease: boolean;
  readonly mouse: boolean;
  readonly connection: 'connecting' | 'connected' | 'lost';
  readonly snapshot?: ProjectSnapshot;
  readonly names: ReadonlyMap<InstanceId, string>;
  readonly usage: ReadonlyMap<InstanceId, Usage>;
  readonly stats?: StatsResponse;
  readonly happenings: readonly ProjectEvent[];
  /** Of `happenings`, how many fell out or never came. */
  readonly missed: number;
  readonly selected?: InstanceId;
  readonly grouping: Grouping;
  readonly focus: 'services' | 'main';
  readonly zoom: boolean;
  readonly view: MainView;
  /** First line of the view on screen, for views other than logs. */
  readonly top: number;
  readonly logs: LogView;
  readonly merged: LogBuffer;
  readonly buffers: Map<InstanceId, LogBuffer>;
  /** Instance and stream of lines whose next piece is still to come; grows in place as well. */
  readonly unfinished: Set<string>;
  readonly plan?: PlanResponse;
  readonly explained?: { readonly service: ServiceId; readonly answer: ExplainResponse };
  readonly timeline?: TimelineResponse;
  /** Our clock, epoch ms: when what the view shows was last asked for because it grows old. */
  readonly refreshedAt: number;
  readonly down?: DownMemory;
  /** How often it was asked to stop the project: 0 to 3. */
  readonly quits: number;
  readonly downResponse?: DownResponse;
  readonly prompt?: Prompt;
  readonly notice?: Notice;
}

/** Bounds of what is kept in memory. */
const BOUNDS = {
  merged: { lines: 10_000, chars: 4_000_000 },
  instance: { lines: 5_000, chars: 2_000_000 },
  history: { lines: 20_000, chars: 8_000_000 },
} as const;

export const MAX_HAPPENINGS = 500;

export function newBuffer(kind: keyof typeof BOUNDS): LogBuffer {
  return new LogBuffer(BOUNDS[kind].lines, BOUNDS[kind].chars);
}

export interface StateOptions {
  readonly columns: number;
  readonly rows: number;
  readonly now: number;
  readonly cwd: string;
  readonly holdsLease: boolean;
  readonly theme?: Theme;
  readonly keymap?: Keymap;
  readonly mouse?: boolean;
  readonly wrap?: boolean;
  readonly timestamps?: boolean;
}

export function initialState(options: StateOptions): State {
  const { columns, rows, now, cwd, holdsLease } = options;
  return {
    columns,
    rows,
    now,
    ahead: 0,
    theme: options.theme ?? themeOf('dark', {}),
    keymap: options.keymap ?? DEFAULT_KEYMAP,
    cwd,
    holdsLease,
    mouse: options.mouse ?? true,
    connection: 'connecting',
    names: new Map(),
    usage: new Map(),
    happenings: [],
    missed: 0,
    grouping: { kind: 'manifest' },
    focus: 'services',
    zoom: false,
    view: 'logs',
    top: 0,
    logs: { all: true, left: 0, wrap: options.wrap ?? false, timestamps: options.timestamps ?? true },
    merged: newBuffer('merged'),
    buffers: new Map(),
    unfinished: new Set(),
    refreshedAt: now,
    quits: 0,
  };
}

/** The lines that the log view shows, before any filter. */
export function shownBuffer(state: State): LogBuffer {
  if (state.logs.history !== undefined) return state.logs.history.buffer;
  if (state.logs.all || state.selected === undefined) return state.merged;
  return bufferOf(state, state.selected);
}

export function bufferOf(state: State, instance: InstanceId): LogBuffer {
  const known = state.buffers.get(instance);
  if (known !== undefined) return known;
  const made = newBuffer('instance');
  state.buffers.set(instance, made);
  return made;
}

/** The daemon's clock, epoch ms. */
export function daemonNow(state: State): number {
  return state.now + state.ahead;
}

/** Names on screen; of an instance that is gone, its id. */
export function nameOf(state: State, instance: InstanceId): string {
  return state.names.get(instance) ?? instance;
}

export function withSnapshot(state: State, snapshot: ProjectSnapshot, at: number): State {
  return {
    ...state,
    snapshot,
    names: displayNames(snapshot),
    ahead: snapshot.now - at,
    connection: 'connected',
  };
}
