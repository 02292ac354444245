import { existsSync, readdirSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect, test } from 'vitest';
import { ask, serve } from './rig.ts';

test('a socket that was removed is made again, and answers like the first', async () => {
  const { server, socket, bugs } = await serve();
  expect(await server.reopen()).toEqual({ ok: true, value: false });
  for (let round = 0; round < 2; round += 1) {
    unlinkSync(socket);
    expect(await server.reopen()).toEqual({ ok: true, value: true });
    expect((await ask(socket, '/v1/info')).status).toBe(200);
  }
  await server.close();
  expect(readdirSync(dirname(socket))).toEqual([]);
  expect(bugs).toEqual([]);
});

test('what was put in the place of a removed socket is left alone', async () => {
  const { server, socket } = await serve();
  unlinkSync(socket);
  writeFileSync(socket, 'precious');
  expect(await server.reopen()).toMatchObject({ ok: false, error: { code: 'socket-blocked' } });
  await server.close();
  expect(existsSync(socket)).toBe(true);
});
