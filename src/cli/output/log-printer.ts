import { formatSize } from '../../core/util/duration.ts';
import type { LogLine } from '../../core/api.ts';
import { palette, type Palette } from '../../words/colour.ts';
import { clockTime, logText } from '../../words/text.ts';
import { padEnd } from '../../words/width.ts';

export interface LogStyle {
  /** Whether the names are coloured. */
  readonly color: boolean;
  /** Of what services wrote: all of it, their colours alone, or not even these. */
  readonly keep: 'all' | 'colours' | 'text';
  readonly timestamps: boolean;
  readonly prefix: boolean;
  /** Names on screen by instance id, in the order that their colours follow. */
  readonly names: ReadonlyMap<string, string>;
}

/** Turns log lines into text, each instance behind its padded, coloured name. */
export class LogPrinter {
  readonly #style: LogStyle;
  readonly #colours: Palette;
  readonly #indexes = new Map<string, number>();
  #width = 0;
  /** Whose unfinished line the cursor stands behind. */
  #open: string | undefined;

  constructor(style: LogStyle) {
    this.#style = style;
    this.#colours = palette(style.color);
    for (const [instance, name] of style.names) this.#indexOf(instance, name);
  }

  /** What to write for the line; it ends with a newline unless the line goes on. */
  line(line: LogLine): string {
    const key = `${line.instance} ${line.stream}`;
    let out = '';
    if (this.#open !== undefined && this.#open !== key) out += '\n';
    if (line.skipped !== undefined && line.skipped > 0) {
      if (this.#open === key) out += '\n';
      this.#open = undefined;
      const note = `(${formatSize(line.skipped)} left out: the output came faster than it could be shown)`;
      out += `${this.#prefix(line)}${this.#colours.yellow(note)}\n`;
    }
    if (this.#open !== key) out += this.#prefix(line);
    out += this.#text(line.text);
    this.#open = line.partial === true ? key : undefined;
    return this.#open === undefined ? `${out}\n` : out;
  }

  /** A line of our own about an instance (or, without one, the project), told apart by its mark. */
  notice(text: string, instance?: string): string {
    const broken = this.#open === undefined ? '' : '\n';
    this.#open = undefined;
    const name = instance === undefined ? 'setpoint' : (this.#style.names.get(instance) ?? instance);
    const label = instance === undefined ? padEnd(name, this.#width) : this.#label(instance, name);
    return `${broken}${label} ${this.#colours.dim(`* ${text}`)}\n`;
  }

  #text(text: string): string {
    return this.#style.keep === 'all' ? text : logText(text, this.#style.keep === 'colours');
  }

  #prefix(line: LogLine): string {
    const time = this.#style.timestamps ? `${this.#colours.dim(clockTime(line.time))} ` : '';
    if (!this.#style.prefix) return time;
    const name = this.#style.names.get(line.instance) ?? line.instance;
    return `${time}${this.#label(line.instance, name)} ${this.#colours.dim('|')} `;
  }

  #label(instance: string, name: string): string {
    const index = this.#indexOf(instance, name);
    return this.#colours.service(index)(padEnd(name, this.#width));
  }

  #indexOf(instance: string, name: string): number {
    const known = this.#indexes.get(instance);
    if (known !== undefined) return known;
    const index = this.#indexes.size;
    this.#indexes.set(instance, index);
    this.#width = Math.max(this.#width, name.length);
    return index;
  }
}
