/** Paints a text; the identity where colours are off. */
export type Paint = (text: string) => string;

export interface Palette {
  readonly bold: Paint;
  readonly dim: Paint;
  readonly red: Paint;
  readonly green: Paint;
  readonly yellow: Paint;
  readonly blue: Paint;
  readonly cyan: Paint;
  /** The n-th of a row of colours that tell services apart. */
  service(n: number): Paint;
}

const SERVICE_COLOURS = ['36', '33', '32', '35', '34', '96', '93', '92', '95', '94'] as const;

const same: Paint = (text) => text;

/** SGR codes: ECMA-48, 8.3.117. */
function sgr(on: string, off: string): Paint {
  return (text) => (text === '' ? '' : `\u001b[${on}m${text}\u001b[${off}m`);
}

const PLAIN: Palette = {
  bold: same,
  dim: same,
  red: same,
  green: same,
  yellow: same,
  blue: same,
  cyan: same,
  service: () => same,
};

const COLOURED: Palette = {
  bold: sgr('1', '22'),
  dim: sgr('2', '22'),
  red: sgr('31', '39'),
  green: sgr('32', '39'),
  yellow: sgr('33', '39'),
  blue: sgr('34', '39'),
  cyan: sgr('36', '39'),
  service: (n) => sgr(SERVICE_COLOURS[n % SERVICE_COLOURS.length] ?? '36', '39'),
};

export function palette(color: boolean): Palette {
  return color ? COLOURED : PLAIN;
}

export type ColourChoice = 'auto' | 'always' | 'never';

/**
 * Whether to colour. The command line wins, then NO_COLOR (https://no-color.org: set and not empty), then FORCE_COLOR
 * (set, and neither empty nor 0), then whether there is a terminal that can.
 */
export function wantsColour(
  choice: ColourChoice,
  env: Readonly<Record<string, string | undefined>>,
  isTerminal: boolean,
): boolean {
  if (choice !== 'auto') return choice === 'always';
  if ((env['NO_COLOR'] ?? '') !== '') return false;
  const forced = env['FORCE_COLOR'] ?? '';
  if (forced !== '') return forced !== '0';
  return isTerminal && env['TERM'] !== 'dumb';
}
