import { err } from '../../core/util/result.ts';
import type { InstanceId } from '../../core/service.ts';
import type { Control, ControlResult } from '../../ports/control.ts';

/** What may wait for one instance to read it. */
const MOST_WAITING_BYTES = 1024 * 1024;

/** Input on its way to instances. One that does not read makes its writers wait, and from a limit on sends them away. */
export class Inputs {
  readonly #control: Control;
  readonly #waiting = new Map<InstanceId, number>();

  constructor(control: Control) {
    this.#control = control;
  }

  /** Resolves once the instance's input has taken all of it, or with why it could not. */
  async write(instance: InstanceId, data: Uint8Array): ControlResult<void> {
    const waiting = this.#waiting.get(instance) ?? 0;
    if (waiting + data.length > MOST_WAITING_BYTES) {
      return err({
        code: 'input-full',
        message: `${instance} does not read its input: ${waiting} bytes wait already`,
        help: 'nothing of this request was written; try again once it reads',
      });
    }
    this.#waiting.set(instance, waiting + data.length);
    try {
      return await this.#control.input(instance, data);
    } finally {
      const left = (this.#waiting.get(instance) ?? 0) - data.length;
      if (left > 0) this.#waiting.set(instance, left);
      else this.#waiting.delete(instance);
    }
  }
}
