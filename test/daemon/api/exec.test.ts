import { describe, expect, onTestFinished, test } from 'vitest';
import { connect } from '../../../src/client/client.ts';
import type { DaemonClient } from '../../../src/client/types.ts';
import type { ExecCommand } from '../../../src/core/api.ts';
import { FakeSession } from './fake-control.ts';
import { post, serve, until } from './rig.ts';

const COMMAND: ExecCommand = { argv: ['sh', '-c', 'cat'], tty: false, env: { A: 'b' } };

async function begun(): Promise<{
  session: FakeSession;
  client: DaemonClient;
  socket: string;
  asked: unknown[];
}> {
  const { control, socket } = await serve();
  const session = new FakeSession();
  control.session = session;
  const client = await connect(socket);
  if (client === undefined) throw new Error('no server');
  onTestFinished(() => client.close());
  return { session, client, socket, asked: control.asked };
}

describe('exec', () => {
  test('carries bytes both ways, and ends with how the command ended', async () => {
    const { session, client, asked } = await begun();
    const channel = await client.exec('web.1', COMMAND);
    expect(asked).toEqual([['exec', 'web.1', COMMAND]]);
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, n) => n)).toString('latin1');
    await Promise.all([channel.write(Buffer.from('one ')), channel.write(Buffer.from('two'))]);
    await channel.endInput();
    expect([session.written, session.inputEnded]).toEqual([['one ', 'two'], true]);
    session.say(bytes);
    session.say('oops', 'stderr');
    session.end({ kind: 'code', code: 7 });
    const items = [];
    for await (const item of channel.items) items.push(item);
    expect(items).toEqual([
      { type: 'output', stream: 'stdout', data: Buffer.from(bytes).toString('base64') },
      { type: 'output', stream: 'stderr', data: Buffer.from('oops').toString('base64') },
      { type: 'ended', exit: { kind: 'code', code: 7 } },
    ]);
    expect(session.closed).toBe(true);
  });

  test('sets the size of the terminal, and says where there is none', async () => {
    const { session, client } = await begun();
    const channel = await client.exec('web.1', { ...COMMAND, tty: true, columns: 80, rows: 24 });
    await channel.resize(120, 40);
    expect(session.sizes).toEqual([[120, 40]]);
    await expect(channel.resize(2_000, 40)).rejects.toMatchObject({ code: 'no-terminal' });
    session.end({ kind: 'code', code: 0 });
  });

  test('ends the command when its client leaves', async () => {
    const { session, client } = await begun();
    const channel = await client.exec('web.1', COMMAND);
    channel.close();
    await until(() => session.closed);
    await expect(channel.write(Buffer.from('x'))).rejects.toMatchObject({ code: 'unknown-exec' });
  });

  test('is refused as the project says, and where the request is none', async () => {
    const { control, socket } = await serve();
    control.refusal = { code: 'not-enterable', message: 'web.1 runs in a sandbox' };
    expect(await post(socket, '/v1/instances/web.1/exec', COMMAND)).toMatchObject({
      status: 409,
      json: { error: { code: 'not-enterable' } },
    });
    expect((await post(socket, '/v1/instances/web.1/exec', { argv: ['x'] })).status).toBe(400);
    expect((await post(socket, '/v1/execs/none/end-input', {})).status).toBe(404);
  });
});
