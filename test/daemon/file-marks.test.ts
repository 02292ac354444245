import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, type TestContext } from 'vitest';
import { lookAt, markingIo, UNREAD } from '../../src/daemon/file-marks.ts';
import { loadProject, nodeManifestIo } from '../../src/manifest/load.ts';

function folder(ctx: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'marks-'));
  ctx.onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

test('a load marks what it reads as a look does, and names what it missed', async (ctx) => {
  const dir = folder(ctx);
  const at = (name: string): string => join(dir, name);
  writeFileSync(
    at('setpoint.yaml'),
    'include: part.yaml\nservices: { a: { command: x, env_file: [a.env, { path: no.env, required: false }] } }\n',
  );
  writeFileSync(at('part.yaml'), 'services: {}\n');
  writeFileSync(at('target'), 'A=1\n');
  symlinkSync('target', at('a.env'));
  const { io, marks } = markingIo(nodeManifestIo({}), 'salt');
  const request = { files: [at('setpoint.yaml')], profiles: [], set: {}, envFiles: [], named: [] };
  const { diagnostics, looked } = loadProject(request, io);
  expect(diagnostics).toEqual([]);
  expect([...looked].sort()).toEqual(['.env', 'a.env', 'no.env', 'part.yaml', 'setpoint.yaml'].map(at));
  expect([...marks.keys()].sort()).toEqual(['a.env', 'part.yaml', 'setpoint.yaml'].map(at));
  for (const [path, mark] of marks) expect(await lookAt(path, 'salt')).toEqual({ mark, blank: false });
  expect((await lookAt(at('a.env'), 'another salt')).mark).not.toBe(marks.get(at('a.env')));
  expect(await lookAt(at('no.env'), 'salt')).toEqual({ mark: UNREAD, blank: true });
});

test('what is no file, or too large for a manifest, is not read', async (ctx) => {
  const dir = folder(ctx);
  execFileSync('mkfifo', [join(dir, 'fifo')]);
  mkdirSync(join(dir, 'folder'));
  writeFileSync(join(dir, 'large'), '');
  truncateSync(join(dir, 'large'), 1024 * 1024 + 1);
  for (const name of ['fifo', 'folder', 'large']) {
    expect(await lookAt(join(dir, name), 's'), name).toEqual({ mark: UNREAD, blank: false });
  }
  writeFileSync(join(dir, 'empty'), '');
  expect(await lookAt(join(dir, 'empty'), 's')).toMatchObject({ blank: true });
});
