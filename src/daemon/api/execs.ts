import { randomBytes } from 'node:crypto';
import type { ApiError, ExecItem } from '../../core/api.ts';
import { err, ok, type Result } from '../../core/util/result.ts';
import type { ExecSession } from '../../ports/backend.ts';
import type { ControlResult } from '../../ports/control.ts';
import { encodeLine, type LineStream } from './line-stream.ts';

type Failure = ApiError['error'];

/** Commands with somebody in front of them: each lives as long as the answer that shows what it writes is open. */
export class Execs {
  readonly #sessions = new Map<string, ExecSession>();

  /** Shows what the command writes and how it ends; ends it where the client leaves. */
  async show(session: ExecSession, stream: LineStream): Promise<void> {
    const id = randomBytes(12).toString('hex');
    this.#sessions.set(id, session);
    const leave = (): void => session.close();
    stream.signal.addEventListener('abort', leave);
    try {
      say(stream, { type: 'begun', id });
      for await (const { stream: from, data } of session.output) {
        say(stream, { type: 'output', stream: from, data: Buffer.from(data).toString('base64') });
        await stream.unblocked();
        if (stream.signal.aborted) return;
      }
      say(stream, { type: 'ended', exit: await session.exited });
    } finally {
      stream.signal.removeEventListener('abort', leave);
      this.#sessions.delete(id);
      session.close();
    }
  }

  async write(id: string, data: Uint8Array): ControlResult<void> {
    const session = this.#get(id);
    if (!session.ok) return session;
    try {
      await session.value.write(data);
      return ok(undefined);
    } catch (cause) {
      return err({ code: 'input-closed', message: cause instanceof Error ? cause.message : String(cause) });
    }
  }

  endInput(id: string): Promise<Result<void, Failure>> {
    const session = this.#get(id);
    if (session.ok) session.value.endInput();
    return Promise.resolve(session.ok ? ok(undefined) : session);
  }

  async resize(id: string, columns: number, rows: number): ControlResult<void> {
    const session = this.#get(id);
    if (!session.ok) return session;
    if (await session.value.resize(columns, rows)) return ok(undefined);
    return err({ code: 'no-terminal', message: 'the command has no terminal whose size could be set' });
  }

  #get(id: string): Result<ExecSession, Failure> {
    const session = this.#sessions.get(id);
    if (session !== undefined) return ok(session);
    return err({ code: 'unknown-exec', message: 'there is no command of that id; it may have ended' });
  }
}

function say(stream: LineStream, item: ExecItem): void {
  stream.write(encodeLine(item));
}
