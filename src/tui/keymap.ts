/** What keys do. One table: it is the default, what `?` lists, and what the settings may change. */

interface ActionInfo {
  readonly title: string;
  readonly keys: readonly string[];
  readonly group: 'Move' | 'Services' | 'Logs' | 'Views' | 'Project';
  /** A word for the footer; absent: not shown there. */
  readonly short?: string;
}

const TABLE = {
  up: { title: 'up', keys: ['up', 'k'], group: 'Move' },
  down: { title: 'down', keys: ['down', 'j'], group: 'Move' },
  'page-up': { title: 'a page up', keys: ['pageup', 'ctrl-b', 'ctrl-u'], group: 'Move' },
  'page-down': { title: 'a page down', keys: ['pagedown', 'ctrl-d'], group: 'Move' },
  top: { title: 'to the top', keys: ['home', 'g'], group: 'Move' },
  bottom: { title: 'to the bottom', keys: ['end', 'G'], group: 'Move' },
  left: { title: 'lines to the left', keys: ['left', 'h'], group: 'Move' },
  right: { title: 'lines to the right', keys: ['right', 'l'], group: 'Move' },
  focus: { title: 'other pane', keys: ['tab', 'shift-tab', 'ctrl-a'], group: 'Move' },
  open: { title: 'logs of the selected service', keys: ['enter'], group: 'Move', short: 'logs' },
  back: { title: 'back: close, cancel, follow again', keys: ['escape'], group: 'Move' },
  zoom: { title: 'this pane alone, and back', keys: ['z', 'f4'], group: 'Move' },

  start: { title: 'start, with what it depends on', keys: ['s', 'f7'], group: 'Services', short: 'start' },
  stop: { title: 'stop', keys: ['x', 'f9'], group: 'Services', short: 'stop' },
  restart: { title: 'restart', keys: ['r', 'ctrl-r', 'f8'], group: 'Services', short: 'restart' },
  kill: { title: 'send SIGKILL', keys: ['X'], group: 'Services' },
  signal: { title: 'send a signal by its name', keys: ['S'], group: 'Services' },
  'scale-up': { title: 'one instance more', keys: ['+'], group: 'Services' },
  'scale-down': { title: 'one instance less', keys: ['-'], group: 'Services' },
  scale: { title: 'set the number of instances', keys: ['=', 'f2'], group: 'Services' },
  attach: {
    title: 'type into it (ctrl-p ctrl-q comes back)',
    keys: ['i'],
    group: 'Services',
    short: 'type into',
  },
  'restart-all': { title: 'restart everything', keys: [], group: 'Services' },
  group: { title: 'group by state, label or dependency', keys: ['o'], group: 'Services' },

  'all-logs': { title: 'logs of all services, or of one', keys: ['a'], group: 'Logs', short: 'all logs' },
  search: { title: 'search (regular expression)', keys: ['/', 'ctrl-f'], group: 'Logs', short: 'search' },
  'next-match': { title: 'next match', keys: ['n'], group: 'Logs' },
  'previous-match': { title: 'previous match', keys: ['N'], group: 'Logs' },
  filter: { title: 'show matching lines only', keys: ['f'], group: 'Logs', short: 'filter' },
  follow: { title: 'follow, or stay here', keys: ['F', 'f5'], group: 'Logs' },
  wrap: { title: 'wrap long lines', keys: ['w', 'f6'], group: 'Logs' },
  timestamps: { title: 'times of the lines', keys: ['t'], group: 'Logs' },
  clear: { title: 'clear the view (files are kept)', keys: ['c', 'ctrl-k'], group: 'Logs' },
  'previous-run': { title: 'what the previous run wrote', keys: ['b'], group: 'Logs' },
  'jump-time': { title: 'jump to a time', keys: ['T', '@'], group: 'Logs' },
  older: { title: 'load older lines', keys: ['O'], group: 'Logs' },
  select: { title: 'select lines', keys: ['v', 'V'], group: 'Logs' },
  copy: { title: 'copy the selection (OSC 52)', keys: ['y'], group: 'Logs' },

  details: { title: 'explain the selected service', keys: ['e', 'f3'], group: 'Views', short: 'explain' },
  plan: { title: 'plan: manifest against what runs', keys: ['p'], group: 'Views', short: 'plan' },
  events: { title: 'events', keys: ['E'], group: 'Views' },
  graph: { title: 'dependency graph', keys: ['D'], group: 'Views' },
  timeline: { title: 'how everything came up', keys: ['L'], group: 'Views' },
  diagnostics: { title: 'problems of the manifest', keys: ['m'], group: 'Views' },
  palette: { title: 'all commands by name', keys: [':', 'ctrl-p'], group: 'Views', short: 'commands' },
  help: { title: 'this list', keys: ['?', 'f1'], group: 'Views', short: 'help' },

  apply: { title: 'apply the manifest, or what is held for review', keys: ['A'], group: 'Project' },
  reload: { title: 'take the manifest up again now', keys: ['R'], group: 'Project' },
  review: { title: 'hold edits for review, or not', keys: ['H'], group: 'Project' },
  edit: { title: 'edit the manifest in $EDITOR', keys: ['ctrl-e'], group: 'Project' },
  mouse: { title: 'mouse on or off', keys: ['M'], group: 'Project' },
  redraw: { title: 'draw everything anew', keys: ['ctrl-l'], group: 'Project' },
  suspend: { title: 'suspend to the shell', keys: ['ctrl-z'], group: 'Project' },
  'take-down': { title: 'stop the project', keys: [], group: 'Project' },
  detach: { title: 'leave it running', keys: ['d'], group: 'Project', short: 'detach' },
  quit: { title: 'quit', keys: ['q', 'ctrl-c', 'f10'], group: 'Project', short: 'quit' },
} as const satisfies Readonly<Record<string, ActionInfo>>;

export type Action = keyof typeof TABLE;

export const ACTIONS = TABLE as Readonly<Record<Action, ActionInfo>>;
export const ACTION_NAMES = Object.keys(TABLE) as readonly Action[];

/** Key name -> action. */
export type Keymap = ReadonlyMap<string, Action>;

export const DEFAULT_KEYMAP: Keymap = new Map(
  ACTION_NAMES.flatMap((action) => ACTIONS[action].keys.map((key) => [key, action] as const)),
);

export function isAction(name: string): name is Action {
  return Object.hasOwn(TABLE, name);
}

const NAMED = new Set(
  [
    'up down left right home end pageup pagedown insert delete tab shift-tab enter escape space backspace',
    ...Array.from({ length: 12 }, (_, n) => `f${n + 1}`),
  ].flatMap((names) => names.split(' ')),
);

/** Whether a key goes by this name: a character, `ctrl-` or `alt-` with a letter, or one of the named keys. */
export function isKeyName(name: string): boolean {
  return (
    NAMED.has(name) ||
    /^(?:ctrl-[a-z]|alt-[a-z0-9])$/.test(name) ||
    (Array.from(name).length === 1 && name > ' ')
  );
}

export function keysOf(keymap: Keymap, action: Action): readonly string[] {
  return [...keymap].flatMap(([key, of]) => (of === action ? [key] : []));
}

/** What an action is called in a hint: its first key, or its name where it has none. */
export function keyOf({ keymap }: { readonly keymap: Keymap }, action: Action): string {
  const key = keysOf(keymap, action)[0];
  return key === undefined ? `:${action}` : keyText(key);
}

const ARROWS: Readonly<Record<string, string>> = {
  up: '\u2191',
  down: '\u2193',
  left: '\u2190',
  right: '\u2192',
  escape: 'esc',
  pageup: 'pgup',
  pagedown: 'pgdn',
};

export function keyText(key: string): string {
  return ARROWS[key] ?? key;
}
