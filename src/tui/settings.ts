import { messageOf } from '../core/util/system-error.ts';
import { isRecord } from '../core/util/record.ts';
import { ACTION_NAMES, DEFAULT_KEYMAP, isAction, isKeyName, type Action, type Keymap } from './keymap.ts';
import type { ThemeChoice } from './theme.ts';

export interface Settings {
  readonly keymap: Keymap;
  readonly theme: ThemeChoice;
  readonly mouse: boolean;
  readonly wrap: boolean;
  readonly timestamps: boolean;
}

export const DEFAULTS: Settings = {
  keymap: DEFAULT_KEYMAP,
  theme: 'auto',
  mouse: true,
  wrap: false,
  timestamps: true,
};

export interface SettingsResult {
  readonly settings: Settings;
  /** What of the file is not used, and why; empty where all is well. */
  readonly problems: readonly string[];
}

/** Reads the settings file. What is wrong in it is said and left out; the rest counts. */
export function readSettings(text: string): SettingsResult {
  let root: unknown;
  try {
    root = JSON.parse(text);
  } catch (error) {
    return { settings: DEFAULTS, problems: [messageOf(error)] };
  }
  if (!isRecord(root)) return { settings: DEFAULTS, problems: ['the settings are not an object'] };
  const problems: string[] = [];
  let settings = DEFAULTS;
  for (const [key, value] of Object.entries(root)) {
    if (key === 'keys') settings = { ...settings, keymap: keymapOf(value, problems) };
    else if (key === 'theme') {
      if (isTheme(value)) settings = { ...settings, theme: value };
      else problems.push('theme is auto, dark, light or none');
    } else if (key === 'mouse' || key === 'wrap' || key === 'timestamps') {
      if (typeof value === 'boolean') settings = { ...settings, [key]: value };
      else problems.push(`${key} is true or false`);
    } else
      problems.push(`unknown setting ${JSON.stringify(key)}: there are keys, theme, mouse, wrap, timestamps`);
  }
  return { settings, problems };
}

/** An action that is named has the keys given there and no others; a key goes to the last action that names it. */
function keymapOf(value: unknown, problems: string[]): Keymap {
  if (!isRecord(value)) {
    problems.push('keys is an object of actions and their keys');
    return DEFAULT_KEYMAP;
  }
  const keymap = new Map<string, Action>(DEFAULT_KEYMAP);
  const taken = new Map<string, Action>();
  for (const [action, given] of Object.entries(value)) {
    if (!isAction(action)) {
      problems.push(`keys: there is no action ${JSON.stringify(action)}: ${ACTION_NAMES.join(', ')}`);
      continue;
    }
    const keys: unknown[] = Array.isArray(given) ? given : [given];
    const bad = keys.find((key) => typeof key !== 'string' || !isKeyName(key));
    if (bad !== undefined) {
      problems.push(
        `keys.${action}: ${JSON.stringify(bad)} is no key: write x, ctrl-x, alt-x, f1, enter, pageup`,
      );
      continue;
    }
    for (const [key, of] of keymap) if (of === action && !taken.has(key)) keymap.delete(key);
    for (const key of keys as string[]) {
      const other = taken.get(key);
      if (other !== undefined) problems.push(`keys.${action}: ${key} is given to ${other} as well`);
      keymap.set(key, action);
      taken.set(key, action);
    }
  }
  if (![...keymap.values()].includes('quit')) {
    problems.push('keys.quit: no key would be left to quit with, so ctrl-c does');
    keymap.set('ctrl-c', 'quit');
  }
  return keymap;
}

function isTheme(value: unknown): value is ThemeChoice {
  return value === 'auto' || value === 'dark' || value === 'light' || value === 'none';
}
