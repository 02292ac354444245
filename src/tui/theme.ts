/** Styles by what they mean. Only the terminal's own sixteen colours, so that its palette is followed. */
export interface Theme {
  readonly bold: string;
  readonly dim: string;
  readonly good: string;
  readonly busy: string;
  readonly bad: string;
  readonly accent: string;
  readonly selected: string;
  readonly match: string;
  readonly border: string;
  readonly focus: string;
  /** Whether what services write keeps its colours. */
  readonly foreign: boolean;
  /** The n-th of a row of colours that tell services apart. */
  name(n: number): string;
}

export type ThemeChoice = 'auto' | 'dark' | 'light' | 'none';

const DARK_NAMES = ['36', '33', '32', '35', '34', '96', '93', '92', '95', '94'] as const;
/** Without the ones that are hard to read on white. */
const LIGHT_NAMES = ['34', '35', '32', '31', '36', '94', '95', '91'] as const;

const PLAIN: Theme = {
  bold: '1',
  dim: '',
  good: '',
  busy: '',
  bad: '1',
  accent: '',
  selected: '7',
  match: '7',
  border: '',
  focus: '1',
  foreign: false,
  name: () => '',
};

const DARK: Theme = {
  bold: '1',
  dim: '2',
  good: '32',
  busy: '33',
  bad: '31',
  accent: '36',
  selected: '7',
  match: '30;43',
  border: '2',
  focus: '36',
  foreign: true,
  name: (n) => DARK_NAMES[n % DARK_NAMES.length] ?? '',
};

const LIGHT: Theme = {
  ...DARK,
  busy: '35',
  accent: '34',
  focus: '34',
  match: '30;106',
  name: (n) => LIGHT_NAMES[n % LIGHT_NAMES.length] ?? '',
};

/**
 * NO_COLOR (https://no-color.org) wins over everything. `auto` takes the terminal for a light one where COLORFGBG, which
 * rxvt, Konsole and others set to `foreground;background`, says so.
 */
export function themeOf(choice: ThemeChoice, env: Readonly<Record<string, string | undefined>>): Theme {
  if ((env['NO_COLOR'] ?? '') !== '' || choice === 'none') return PLAIN;
  if (choice === 'light') return LIGHT;
  const background = /;(\d+)$/.exec(env['COLORFGBG'] ?? '')?.[1];
  return choice === 'auto' && (background === '7' || background === '15') ? LIGHT : DARK;
}
