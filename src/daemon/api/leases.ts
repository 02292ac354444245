import { randomBytes } from 'node:crypto';
import type { LeaseLine } from '../../core/api.ts';
import type { Control } from '../../ports/control.ts';
import { encodeLine, type LineStream } from './line-stream.ts';

/** The lease as HTTP has it: a stream that is held open. When it breaks, the lease's holder is gone. */
export class Leases {
  readonly #control: Control;
  readonly #detach = new Map<string, () => void>();

  constructor(control: Control) {
    this.#control = control;
  }

  /** Takes the lease for as long as `stream` is open; settles when it is given up, lost or could not be had. */
  async hold(stream: LineStream): Promise<void> {
    if (stream.signal.aborted) return;
    const hold = this.#control.lease();
    if (hold === undefined) {
      say(stream, { lease: 'taken' });
      return;
    }
    const id = randomBytes(12).toString('hex');
    await new Promise<void>((resolve) => {
      const over = (detach: boolean): void => {
        stream.signal.removeEventListener('abort', onAbort);
        this.#detach.delete(id);
        hold.release(detach);
        if (detach) say(stream, { lease: 'detached' });
        resolve();
      };
      // A server that closes is no sign of the holder's end: what becomes of the project was decided elsewhere.
      const onAbort = (): void => over(stream.signal.reason === 'closing');
      stream.signal.addEventListener('abort', onAbort);
      this.#detach.set(id, () => over(true));
      say(stream, { lease: 'granted', id });
    });
  }

  /** Gives the lease up and leaves the project running; false where there is no such lease. */
  detach(id: string): boolean {
    const detach = this.#detach.get(id);
    detach?.();
    return detach !== undefined;
  }
}

function say(stream: LineStream, line: LeaseLine): void {
  stream.write(encodeLine(line));
}
