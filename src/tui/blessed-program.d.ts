/** The part of blessed that reads keys and mouse reports; its types describe only the whole package, widgets included. */
declare module 'blessed/lib/program.js' {
  import type { EventEmitter } from 'node:events';

  interface ProgramOptions {
    readonly input: EventEmitter;
    readonly output: NodeJS.WriteStream;
    /** False: no terminfo is read, and nothing but what is asked for is written. */
    readonly tput: false;
    readonly terminal?: string;
  }

  /** Emits `keypress` (character, key) and, once somebody listens, `mouse` (report). */
  interface Program extends EventEmitter {
    setMouse(modes: Readonly<Record<string, boolean>>, on: boolean): void;
    disableMouse(): void;
    /** Takes its listeners off its streams. */
    destroy(): void;
  }

  const program: (options: ProgramOptions) => Program;
  export default program;
}
