import type makeProgram from 'blessed/lib/program.js';
import { EventEmitter } from 'node:events';
import { InputSplitter, type Token } from './input.ts';
import type { Message } from './message.ts';
import { ansi } from './text.ts';
import type { Frame } from './views/frame.ts';

// DECSET, from xterm's control sequences (ctlseqs): 1049 another screen, 25 the cursor shown, 7 wrapping at the last
// column, 2004 bracketed paste, 2026 synchronised output (which terminals that do not know it leave out of account).
const ENTER = '\u001b[?1049h\u001b[?25l\u001b[?7l\u001b[?2004h\u001b[0m\u001b[2J';
const LEAVE = '\u001b[0m\u001b[?2004l\u001b[?7h\u001b[?25h\u001b[?1049l';
const BEGIN_FRAME = '\u001b[?2026h';
const END_FRAME = '\u001b[?2026l';

/** A sequence that has begun but not ended after this long is an Escape that was typed. */
const ESCAPE_MS = 40;

type InputMessage = Extract<Message, { type: 'key' | 'paste' | 'mouse' }>;

type Program = ReturnType<typeof makeProgram>;

interface KeyEvent {
  readonly name?: string;
  readonly sequence?: string;
  readonly ctrl?: boolean;
  readonly meta?: boolean;
  readonly shift?: boolean;
}

interface MouseReport {
  readonly action: string;
  readonly x: number;
  readonly y: number;
}

/**
 * The terminal: frames go out, keys come in. It holds no more of a state than what is on the screen.
 *
 * Of blessed this takes the reader of keys and mouse reports alone. Its widgets keep a state of their own, scroll positions
 * and contents, and draw when that changes; here a frame is a pure function of one state, tests compare whole frames, and
 * nothing is left for a widget to hold.
 */
export class Screen {
  readonly #output: NodeJS.WriteStream;
  readonly #input = new EventEmitter();
  readonly #program: Program;
  readonly #splitter = new InputSplitter();
  #timer: NodeJS.Timeout | undefined;
  #lines: readonly string[] = [];
  #cursor: Frame['cursor'];
  #entered = false;
  #mouse: boolean;

  private constructor(output: NodeJS.WriteStream, program: (input: EventEmitter) => Program, mouse: boolean) {
    this.#output = output;
    this.#mouse = mouse;
    this.#program = program(this.#input);
  }

  /** `hear` is called for every key. What is typed comes in by `typed`. */
  static async open(
    output: NodeJS.WriteStream,
    terminal: string | undefined,
    mouse: boolean,
    hear: (message: InputMessage) => void,
  ): Promise<Screen> {
    const { default: program } = await import('blessed/lib/program.js');
    // Modes and sizes of the real streams are set here; of blessed only the reading is wanted.
    const make = (input: EventEmitter): Program =>
      program({ input, output, tput: false, ...(terminal === undefined ? {} : { terminal }) });
    const screen = new Screen(output, make, mouse);
    screen.#program.on('keypress', (ch: string | undefined, key: KeyEvent | undefined) => {
      const message = keyMessage(ch, key ?? {});
      if (message !== undefined) hear(message);
    });
    screen.#program.on('mouse', (report: MouseReport) => {
      const kind = MOUSE_KINDS.get(report.action);
      if (kind !== undefined) hear({ type: 'mouse', kind, x: report.x, y: report.y });
    });
    screen.#hear = hear;
    return screen;
  }

  #hear: (message: InputMessage) => void = () => undefined;

  /** What came from the terminal. */
  typed(text: string): void {
    clearTimeout(this.#timer);
    this.#pass(this.#splitter.take(text));
    if (this.#splitter.isWaiting)
      this.#timer = setTimeout(() => this.#pass(this.#splitter.flush()), ESCAPE_MS);
  }

  #pass(tokens: readonly Token[]): void {
    for (const token of tokens) {
      const [, alt] = token.kind === 'key' ? (/^\u001b([^\u001b])$/u.exec(token.data) ?? []) : [];
      if (token.kind === 'paste') this.#hear({ type: 'paste', text: token.text });
      else if (alt !== undefined && alt >= ' ' && alt !== '\u007f')
        this.#hear({ type: 'key', key: `alt-${alt}`, text: alt });
      else if (alt !== undefined) {
        // No terminal sends a control character with Alt on purpose: an Escape came just before it.
        this.#input.emit('data', Buffer.from('\u001b'));
        this.#input.emit('data', Buffer.from(alt));
      } else if (
        token.kind === 'key' &&
        (token.data.codePointAt(0) ?? 0) > 0x7e &&
        !token.data.startsWith('\u007f')
      )
        this.#hear({ type: 'key', key: token.data, text: token.data });
      else this.#input.emit('data', Buffer.from(token.data));
    }
  }

  enter(): void {
    if (this.#entered) return;
    this.#entered = true;
    this.redraw();
    this.#output.write(ENTER);
    if (this.#mouse) this.setMouse(true);
  }

  /** Puts the terminal back as it was. May be called at any time, any number of times. */
  leave(): void {
    if (!this.#entered) return;
    this.#entered = false;
    clearTimeout(this.#timer);
    this.#program.disableMouse();
    this.#output.write(LEAVE);
  }

  /** Leaves for good. */
  close(): void {
    this.leave();
    this.#program.destroy();
  }

  /** Clicks and the wheel only: what moves is not asked for. */
  setMouse(on: boolean): void {
    this.#mouse = on;
    if (!this.#entered) return;
    if (on) this.#program.setMouse({ vt200Mouse: true, sgrMouse: true }, true);
    else this.#program.disableMouse();
  }

  /** The next frame is written whole. */
  redraw(): void {
    this.#lines = [];
    this.#cursor = undefined;
  }

  /** Says something to the terminal that shows nowhere. */
  tell(sequence: string): void {
    if (this.#entered) this.#output.write(sequence);
  }

  /** Writes those rows that have changed; nothing at all where none has. */
  paint(frame: Frame): void {
    if (!this.#entered) return;
    const lines = frame.rows.map(ansi);
    const whole = lines.length !== this.#lines.length;
    let out = whole ? '\u001b[0m\u001b[2J' : '';
    lines.forEach((line, y) => {
      if (whole || line !== this.#lines[y]) out += `\u001b[${y + 1};1H${line}`;
    });
    const { cursor } = frame;
    const moved = cursor?.x !== this.#cursor?.x || cursor?.y !== this.#cursor?.y;
    if (out === '' && !moved) return;
    const place = cursor === undefined ? '\u001b[?25l' : `\u001b[${cursor.y + 1};${cursor.x + 1}H\u001b[?25h`;
    this.#lines = lines;
    this.#cursor = cursor;
    this.#output.write(`${BEGIN_FRAME}\u001b[?25l${out}${place}${END_FRAME}`);
  }
}

const MOUSE_KINDS: ReadonlyMap<string, 'click' | 'up' | 'down'> = new Map([
  ['mousedown', 'click'],
  ['wheelup', 'up'],
  ['wheeldown', 'down'],
]);

/** Blessed's names of keys as this program's; undefined for what is no key, or the second report of one. */
function keyMessage(ch: string | undefined, key: KeyEvent): InputMessage | undefined {
  const { name, ctrl = false, meta = false, shift = false, sequence } = key;
  if (name === 'enter' && sequence === '\r') return undefined;
  if (name === 'return' || name === 'linefeed') return { type: 'key', key: 'enter' };
  if (name === 'space' && !meta) return { type: 'key', key: 'space', text: ' ' };
  if (name !== undefined && name.length > 1) {
    if (name === 'undefined') return undefined;
    return { type: 'key', key: shift && name === 'tab' ? 'shift-tab' : name };
  }
  if (ctrl && name !== undefined) return { type: 'key', key: `ctrl-${name}` };
  if (meta && name !== undefined) return { type: 'key', key: `alt-${name}` };
  return ch !== undefined && /^[!-~]$/.test(ch) ? { type: 'key', key: ch, text: ch } : undefined;
}
